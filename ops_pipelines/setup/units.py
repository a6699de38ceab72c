"""Variables that systemd gives to services of a folder: `Environment=` and the files of `EnvironmentFile=`."""

import glob
import shlex
from collections.abc import Iterator
from pathlib import Path

from ops_pipelines.setup.files import text_of
from ops_pipelines.setup.variables import read_dotenv

SYSTEM = Path("/etc/systemd/system")
_BESIDE = ("*.service", "deploy/*.service", "deploy/*/*.service", "systemd/*.service")


def given(directory: Path, system: Path = SYSTEM) -> Iterator[tuple[str, dict[str, str]]]:
    """What the units that belong to a folder give their services: where it is said, and the values.

    Args:
        system: where this machine's own units lie; those that name the folder belong to it.
    """
    beside = [path for pattern in _BESIDE for path in sorted(directory.glob(pattern))]
    installed = (*sorted(system.glob("*.service")), *sorted(system.glob("*.service.d/*.conf")))
    for path in (*beside, *(each for each in installed if _names(each, directory, system))):
        for name, values in _of_unit(path, directory):
            if values:
                yield name, values


def _names(path: Path, directory: Path, system: Path) -> bool:
    """Whether a unit, or the one that a drop-in belongs to, works in the folder or runs something from it."""
    unit = system / path.parent.name.removesuffix(".d") if path.suffix == ".conf" else path
    lines = (value for key, value in _lines(unit) if key in ("WorkingDirectory", "ExecStart", "EnvironmentFile"))
    wanted = str(directory.resolve())
    return any(
        word == wanted or word.startswith(f"{wanted}/") for line in lines for word in line.lstrip("-@+!:").split()
    )


def _of_unit(path: Path, directory: Path) -> Iterator[tuple[str, dict[str, str]]]:
    own: dict[str, str] = {}
    for key, value in _lines(path):
        if key == "Environment":
            own |= dict(word.partition("=")[::2] for word in _words(value))
        elif key == "EnvironmentFile":
            pattern = value.lstrip("-").replace("%h", str(Path.home()))
            for file in sorted(glob.glob(pattern)):  # noqa: PTH207  (an absolute pattern, as systemd takes it)
                yield file, read_dotenv(Path(file))
    yield str(path.relative_to(directory) if path.is_relative_to(directory) else path), own


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for line in text_of(path).replace("\\\n", " ").splitlines():
        key, separator, value = line.strip().partition("=")
        if separator and not key.startswith(("#", ";")):
            yield key.strip(), value.strip()


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []
