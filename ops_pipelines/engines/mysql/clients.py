"""Find programs of MySQL and MariaDB of a fitting version. Runs nothing but `--version` and `--help`."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from ops_pipelines.errors import ToolMissing
from ops_pipelines.process import CommandFailed, Limits, run

MARIADB, MYSQL = "MariaDB", "MySQL"
Series = tuple[int, int]

_QUICK = Limits(stall=timedelta(seconds=20), total=timedelta(seconds=20))
_NAMES = {"dump": ("mariadb-dump", "mysqldump"), "client": ("mariadb", "mysql"), "server": ("mariadbd", "mysqld")}
_PACKAGES = {
    "dump": {MARIADB: "mariadb-client", MYSQL: "mysql-client"},
    "client": {MARIADB: "mariadb-client", MYSQL: "mysql-client"},
    "server": {MARIADB: "mariadb-server", MYSQL: "mysql-server"},
}
# Servers are not on everybody's PATH.
_PLACES = ("usr/bin", "usr/sbin", "usr/local/bin", "usr/libexec", "usr/local/mysql/bin", "opt/homebrew/bin")
_VERSION = re.compile(r"(?:Distrib|from|Ver) (\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Program:
    """One program, and whose it is."""

    path: Path
    product: str
    version: str
    series: Series

    def has(self, option: str) -> bool:
        """Whether its help names this option."""
        return f"--{option}" in _help(self.path)


def series_of(version: str) -> Series:
    """Major and minor number of a version. Raises ToolMissing for what is none."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None:
        raise ToolMissing(f"{version!r} is no version of MySQL or MariaDB")
    return int(numbers[1]), int(numbers[2])


def installed(kind: str, bin_dirs: Sequence[Path] = ()) -> list[Program]:
    """Every program of a kind (`dump`, `client`, `server`) on this machine, in order of preference."""
    seen: dict[Path, Program] = {}
    for directory in _directories(bin_dirs):
        for name in _NAMES[kind]:
            real = (directory / name).resolve()
            if real not in seen and (program := _inspect(real)) is not None:
                seen[real] = program
    return list(seen.values())


def for_dump(product: str, series: Series, bin_dirs: Sequence[Path] = ()) -> Program:
    """A dump client for a server: the same product, the same series or the next newer, else the newest there is.

    Raises:
        ToolMissing: none is installed; names the package.
    """
    return _nearest("dump", product, series, bin_dirs)


def for_restore(product: str, series: Series, bin_dirs: Sequence[Path] = ()) -> Program:
    """A client that reads a dump which this product's dump client wrote. Raises ToolMissing."""
    return _nearest("client", product, series, bin_dirs)


def for_server(product: str, series: Series, bin_dirs: Sequence[Path] = ()) -> Program:
    """Server programs of this series, else of the next newer one.

    Raises:
        ToolMissing: none is installed; names the package.
    """
    found = installed("server", bin_dirs)
    fitting = [each for each in found if each.product == product and each.series >= series]
    if fitting:
        return min(fitting, key=lambda each: each.series)
    raise _missing("server", product, series, found)


def _nearest(kind: str, product: str, series: Series, bin_dirs: Sequence[Path]) -> Program:
    found = installed(kind, bin_dirs)
    own = [each for each in found if each.product == product]
    if newer := [each for each in own if each.series >= series]:
        return min(newer, key=lambda each: each.series)
    if own:
        return max(own, key=lambda each: each.series)
    raise _missing(kind, product, series, found)


def _missing(kind: str, product: str, series: Series, found: Sequence[Program]) -> ToolMissing:
    versions = ", ".join(f"{each.product} {each.version} in {each.path.parent}" for each in found) or "none"
    wanted = f"{product} {series[0]}.{series[1]}"
    return ToolMissing(
        f"no {kind} program for {wanted}",
        why=f"found: {versions}",
        safe="nothing was changed; existing backups are untouched",
        next=f"install it (Debian: apt-get install {_PACKAGES[kind][product]}) or name its directory in bin_dirs",
    )


def _directories(bin_dirs: Sequence[Path]) -> Iterator[Path]:
    yield from bin_dirs
    yield from (Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry)
    yield from (Path("/") / place for place in _PLACES)


@cache
def _inspect(path: Path) -> Program | None:
    if not os.access(path, os.X_OK) or path.is_dir():
        return None
    try:
        printed = run([path, "--no-defaults", "--version"], limits=_QUICK).stdout.decode(errors="replace")
    except CommandFailed:
        return None  # present but cannot run here (wrong architecture, missing library)
    # A MariaDB client names the protocol's version first: "Ver 10.19 Distrib 10.11.6-MariaDB".
    found = _VERSION.search(printed)
    if found is None:
        return None
    product = MARIADB if MARIADB in printed else MYSQL
    return Program(path, product, ".".join(found.groups()), (int(found[1]), int(found[2])))


@cache
def _help(path: Path) -> str:
    return run([path, "--no-defaults", "--help"], limits=_QUICK).stdout.decode(errors="replace")
