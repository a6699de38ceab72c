"""A clean machine, as on the bad day: standard tools, no Python and no `ops`."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ops_pipelines.engines.postgres import clients
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.recovery import kit as kit_package
from tests.conftest import PASSWORD, TestServer
from tests.sample import MAJOR

SCRIPT = Path(kit_package.__file__).with_name("recover.sh")
PASSPHRASE = "correct horse 'battery' $taple"
STANDARD = (
    "age", "awk", "base64", "cat", "cp", "df", "dirname", "grep", "head", "id", "ls", "mkdir", "mktemp", "od",
    "openssl", "rm", "sed", "sh", "sha256sum", "sort", "tail", "tar", "tr", "wc", "zstd",
)  # fmt: skip


@dataclass
class CleanMachine:
    """A folder, a PATH with standard tools only, and a database server that holds nothing."""

    folder: Path
    server: TestServer

    @property
    def environment(self) -> dict[str, str]:
        """All that there is."""
        where = {"PGHOST": str(self.server.directory), "PGPORT": str(self.server.port)}
        return {
            "PATH": str(self.folder / "bin"), "TMPDIR": str(self.folder / "tmp"), "PGUSER": "boss",
            "PGPASSWORD": PASSWORD, **where,
        }  # fmt: skip

    def sh(self, script: Path, *words: str | Path, expect: int = 0, without: str = "", **more: str) -> str:
        """Run a kit's script; returns all it printed."""
        environment = {key: value for key, value in {**self.environment, **more}.items() if key != without}
        done = subprocess.run(
            ["sh", script / "recover.sh", *words],
            executable=shutil.which("sh"), cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == expect, done.stdout + done.stderr
        assert list((self.folder / "tmp").iterdir()) == []  # nothing decrypted stays behind
        return done.stdout + done.stderr

    def databases(self) -> set[str]:
        """The databases of its server, beside those every server has."""
        rows = self.server.sql("select datname from pg_database where datname not in ('postgres', 'template0')")
        return {name for (name,) in rows} - {"template1"}


def text_of(server: Server) -> str:
    """What pg_dump prints of a database, without the key that differs with each run."""
    programs = clients.for_dump(MAJOR)
    argv = [programs.path("pg_dump"), f"--dbname={server.argument()}"]
    printed = subprocess.run(argv, env=server.environment(), capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in printed.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))
