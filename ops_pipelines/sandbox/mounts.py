"""What can be seen inside the sandbox: programs with what belongs to them, read-only, and nothing of ours."""

import os
import shutil
import site
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path

import ops_pipelines
from ops_pipelines.process import CommandFailed, Limits, run

_SYSTEM = ("/usr",)
_TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_FILES = (
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime", "/etc/timezone",
    "/etc/nsswitch.conf", "/etc/mime.types", "/etc/locale.alias", "/etc/magic", "/etc/mysql/conf.d", "/etc/php",
)  # fmt: skip
_LINKED = ("postgres", "pg_restore", "mariadbd", "mariadb", "mysqld", "mysql", "mongod", "mongorestore", "restic")
_QUICK = Limits(stall=timedelta(seconds=20), total=timedelta(seconds=20))


def system() -> list[str]:
    """The arguments that mount this machine's programs and libraries."""
    words: list[str] = []
    for top in _SYSTEM:
        words += ["--ro-bind", top, top]
    for name in _TOP:
        path = Path("/") / name
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    words += made(Path("/etc"))
    for file in _FILES:
        if Path(file).exists():
            words += ["--ro-bind", file, file]
    return words


@cache
def python() -> tuple[Path, ...]:
    """Where our own interpreter, its libraries and this package lie."""
    places = [Path(sys.prefix), Path(sys.base_prefix), Path(ops_pipelines.__file__).parent]
    places += [Path(each) for each in site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        places.append(Path(site.getusersitepackages()))
    return tuple(outermost(places))


def interpreter() -> Path:
    """Our own interpreter. Typed as `../.venv/bin/python`, its path leads through folders that nobody sees inside."""
    return Path(os.path.normpath(sys.executable))  # no symlink is followed: that of an environment says which it is


def programs(bin_dirs: Sequence[Path], ours: Sequence[Path] = ()) -> list[Path]:
    """What belongs to the programs in some directories: their installation, and libraries from elsewhere.

    Args:
        ours: what must not be seen; an installation that holds some of it is left out, and its `bin` alone is in.

    A `bin` is part of an installation, with `lib` and `share` beside it; below a `usr` that is not the system's lies a
    whole unpacked system.
    """
    found: list[Path] = []
    for each in outermost([*python(), *bin_dirs]):
        if each in python() or not each.is_dir():
            continue
        found += [each, each.resolve(), *_installation(each.absolute()), *_installation(each.resolve())]
        found += _libraries(each)
    apart = [path for path in found if path.is_dir() and not any(each.is_relative_to(path) for each in ours)]
    return outermost(apart)


def _installation(directory: Path) -> Iterator[Path]:
    if directory.name not in ("bin", "sbin"):
        return
    for parent in directory.parents:
        if parent.name == "usr" and parent.parent != Path("/"):
            yield parent.parent
            return
    if len(directory.parts) > 3:  # not the home of a user, nor a top folder
        yield directory.parent


@cache
def _libraries(directory: Path) -> tuple[Path, ...]:
    """Where the programs of a directory are linked to, as `ldd` says."""
    found: set[Path] = set()
    ldd = shutil.which("ldd")
    for each in (directory / name for name in _LINKED) if ldd else ():
        if not each.is_file():
            continue
        try:
            said = run([str(ldd), each], limits=_QUICK, accept=(0, 1)).stdout.decode(errors="replace")
        except CommandFailed:
            continue
        for line in said.splitlines():
            path = line.partition("=>")[2].strip() or line.strip()
            name = Path(path.split(" (")[0])
            if name.is_absolute() and name.exists():
                found |= {name.parent, name.resolve().parent}
    return tuple(sorted(found))


def outermost(paths: Iterable[Path]) -> list[Path]:
    """The paths without those that lie in another one, or in what every sandbox has."""
    seen: list[Path] = []
    for path in sorted(set(paths)):
        held = (*(Path(top) for top in _SYSTEM), *(Path("/") / name for name in _TOP), *seen)
        if path != Path("/") and not any(path.is_relative_to(each) for each in held):
            seen.append(path)
    return seen


def made(path: Path) -> list[str]:
    """The arguments that make a directory and what lies above it; what bwrap makes on its way only root may enter."""
    words: list[str] = []
    for each in [*reversed(path.parents), path]:
        if each != Path("/"):
            words += ["--perms", "0755", "--dir", str(each)]
    return words


def read_only(path: Path) -> list[str]:
    """The arguments that mount a file or a directory at its own place."""
    return [*made(path.parent), "--ro-bind", str(path), str(path)]


def hidden(path: Path, seen: Sequence[Path]) -> list[str]:
    """The arguments that cover what is ours where it lies in something that is mounted; else none are needed."""
    within = any(path.is_relative_to(each) for each in (*(Path(top) for top in _SYSTEM), *seen))
    if not within or not path.exists():
        return []
    return ["--perms", "0755", "--tmpfs", str(path)] if path.is_dir() else ["--ro-bind", "/dev/null", str(path)]
