"""Print what the tests run on: system, Python, Dagster, servers and tools with their versions and places.

python -m tools.versions
"""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from ops_pipelines.engines.mysql import clients as mysql
from ops_pipelines.engines.postgres import clients as postgres
from ops_pipelines.process import CommandFailed, Limits, run

_NEWER = Path(os.environ.get("OPS_NEWER") or Path(__file__).parents[1] / "var/newer").resolve()
_QUICK = Limits(stall=timedelta(seconds=20), total=timedelta(seconds=20))
_PACKAGES = ("dagster", "psycopg", "pymysql", "pymongo", "sqlalchemy", "pyrage", "zstandard")
_PROGRAMS = {"age": "--version", "zstd": "--version", "openssl": "version", "git": "--version"}


def versions() -> Iterator[tuple[str, str, str]]:
    """Name, version and place of each."""
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    system = Path("/etc/debian_version")
    exact = system.read_text(encoding="utf-8").strip() if system.exists() else release.get("VERSION_ID", "")
    yield release.get("NAME", platform.system()), exact, platform.machine()
    yield "Python", platform.python_version(), sys.executable
    for package in _PACKAGES:
        yield package, version(package), ""
    folders = sorted(
        folder for place in ("usr/bin", "usr/sbin", "usr/lib/postgresql/*/bin") for folder in _NEWER.glob(f"*/{place}")
    )
    for found in postgres.installed():
        yield "PostgreSQL", found.version, str(found.directory)
    for found in postgres.installed([folder for folder in folders if (folder / "postgres").exists()]):
        if found.directory.is_relative_to(_NEWER):
            yield "PostgreSQL", found.version, str(found.directory)
    for program in mysql.installed("server", folders):
        yield program.product, program.version, str(program.path)
    for restic in (shutil.which("restic"), *map(str, sorted(_NEWER.glob("restic*/usr/bin/restic")))):
        if restic is not None:
            yield "restic", _said(restic, "version"), restic
    for name, asked in _PROGRAMS.items():
        if (path := shutil.which(name)) is not None:
            yield name, _said(path, asked), path


def _said(program: str, asked: str) -> str:
    """The version in what a program says of itself."""
    try:
        said = run([program, asked], limits=_QUICK).stdout.decode(errors="replace")
    except CommandFailed:
        return "cannot run"
    found = re.search(r"\d+\.\d+[.\w+-]*", said)
    return found[0] if found else ""


if __name__ == "__main__":
    for line in versions():
        print("{:<12} {:<28} {}".format(*line).rstrip())
