"""How fast are we? PostgreSQL backup and verification against the plain tools, on one database.

    python -m benchmarks.postgres --gb 2 --runs 5 --json figures.json --markdown figures.md

Makes a database of the wanted size on a private, default-configured server: `pgbench -i` in four
partitions plus a jsonb table with a GIN index, about a quarter of it. The cases of one run take
turns, so that a noisy neighbour troubles all of them alike. Times are of whole processes, from their
start to their end; ours pay for starting Python. What is on disk afterwards is flushed in both:
the plain pipe ends with `sync FILE`, our restore point is fsynced before it is published.

Nothing is dropped from the page cache: source and restore run warm.
"""

import argparse
import json
import os
import platform
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import psutil
import pyrage

from benchmarks.harness import VERIFY, Figures, measure, phase_lines
from ops_pipelines.engines.postgres import clients
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.engines.postgres.server import initialise, unprivileged

SCALE_PER_GB, JSON_ROWS_PER_GB = 54, 600_000
_JSON_TABLE = """
create table events (id bigint primary key, at timestamptz not null, document jsonb not null);
insert into events select i, timestamptz '2026-01-01' + i * interval '7 seconds', jsonb_build_object(
    'id', md5(i::text), 'kind', (array['open','click','send','bounce'])[1 + i % 4], 'score', i % 1000,
    'tags', jsonb_build_array('t' || i % 97, 't' || i % 89), 'note', md5((i * 3)::text) || ' ' || md5((i * 5)::text))
  from generate_series(1, {rows}) as i;
create index events_document on events using gin (document jsonb_path_ops);
"""
_TAKE = """
import sys; from pathlib import Path
from ops_pipelines.config.load import load_config
from ops_pipelines.workspace import open_workspace
from ops_pipelines.backup.take import take_backup
take_backup(open_workspace(load_config(Path(sys.argv[1]))), "bench")
"""


@dataclass(frozen=True)
class Case:
    """Something to time: `prepare` is not measured, `argv` is."""

    name: str
    group: str
    argv: Callable[[], Sequence[str]]
    prepare: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    env: Callable[[], dict[str, str]] = dict


class Bench:
    """The source server, the keys and the directories of one session."""

    def __init__(self, directory: Path, programs: clients.Programs, source: Server) -> None:
        self.directory, self.programs, self.source = directory, programs, source
        self.identity = pyrage.x25519.Identity.generate()
        (directory / "age.key").write_text(f"{self.identity}\n", encoding="utf-8")
        (directory / "url").write_text(source.url(), encoding="utf-8")
        self._plain: tuple[Server, Callable[[], None]] | None = None

    def config(self, name: str, *, form: str, fingerprint: str) -> Path:
        """An ops.yaml of its own for one case."""
        home = self.directory / name
        home.mkdir(exist_ok=True)
        path = home / "ops.yaml"
        path.write_text(
            f"base: base\nsources:\n  bench:\n    kind: postgres\n    url: {{file: ../url}}\n    format: {form}\n"
            f"    fingerprint: '{fingerprint}'\n    bin_dirs: ['{self.programs.directory}']\n"
            f"    encrypt: {{age: ['{self.identity.to_public()}'], identity: {{file: ../age.key}}}}\n",
            encoding="utf-8",
        )
        return path

    def dump_cases(self) -> Iterator[Case]:
        """Backups: the floor, the plain pipe, ours."""
        dump = f"{self.programs.path('pg_dump')} -Fp -d {shlex.quote(self.source.argument())}"
        sealed = self.directory / "peer.sql.zst.age"
        pipe = f"{dump} | zstd -q -T0 -3 | age -r {self.identity.to_public()} > {sealed} && sync {sealed}"
        yield self._shell("pg_dump > /dev/null", f"{dump} > /dev/null")
        yield self._shell("pg_dump | zstd | age > file", pipe)
        for form, fingerprint in (("custom", "off"), ("sql", "off"), ("custom", "counts"), ("custom", "full")):
            yield self._ours(form, fingerprint)
        ops = Path(sys.executable).with_name("ops")
        if ops.exists() and not subprocess.run([ops, "backup", "--help"], capture_output=True, check=False).returncode:
            config = self.config("dagster-off", form="custom", fingerprint="off")
            argv = [str(ops), "backup", "bench", "--no-verify", "--config", str(config)]
            yield Case("ops backup (Dagster), fingerprint off", "backup", lambda: argv, lambda: _empty(config))
        else:
            print("note: `ops backup` is not there yet; its case is left out", flush=True)

    def restore_cases(self) -> Iterator[Case]:
        """Verifications of what the backup cases left, and pg_restore of a like archive."""
        archive = self.directory / "peer.pgc"
        restore = [str(self.programs.path("pg_restore")), "-j2", "--no-password"]

        def plain_target() -> None:
            if not archive.exists():
                dump = [str(self.programs.path("pg_dump")), "-Fc", "-Z0", "-f", str(archive), "-d"]
                subprocess.run([*dump, self.source.argument()], env=self._env(self.source), check=True)
            self._plain = _start(self.programs, self.directory / "plain")
            _execute(self._plain[0], "create database target template template0")

        yield Case(
            "pg_restore -j2, default server",
            "verify",
            lambda: [*restore, "-d", self._target().argument(), str(archive)],
            plain_target,
            self._drop_target,
            lambda: self._env(self._target()),
        )
        for form, fingerprint in (("custom", "off"), ("sql", "off"), ("custom", "counts"), ("custom", "full")):
            config = self.directory / f"{form}-{fingerprint}" / "ops.yaml"
            argv = [sys.executable, "-c", VERIFY, str(config)]
            yield Case(f"ours, {form}, fingerprint {fingerprint}", "verify", lambda argv=argv: argv)  # type: ignore[misc]

    def _target(self) -> Server:
        assert self._plain is not None
        return self._plain[0].at(dbname="target")

    def _drop_target(self) -> None:
        assert self._plain is not None
        self._plain[1]()

    def _shell(self, name: str, script: str) -> Case:
        argv = ["bash", "-c", f"set -o pipefail; {script}"]
        return Case(name, "backup", lambda: argv, env=lambda: self._env(self.source))

    def _ours(self, form: str, fingerprint: str) -> Case:
        config = self.config(f"{form}-{fingerprint}", form=form, fingerprint=fingerprint)
        argv = [sys.executable, "-c", _TAKE, str(config)]
        return Case(f"ours, {form}, fingerprint {fingerprint}", "backup", lambda: argv, lambda: _empty(config))

    @staticmethod
    def _env(server: Server) -> dict[str, str]:
        return server.environment()


def _empty(config: Path) -> None:
    shutil.rmtree(config.parent / "base", ignore_errors=True)


def _start(programs: clients.Programs, directory: Path) -> tuple[Server, Callable[[], None]]:
    """A new server with nothing but default settings, and the function that removes it."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    password = secrets.token_urlsafe(16)
    initialise(programs, directory / "data", superuser="bench", password=password)
    argv = [*unprivileged(), str(programs.path("postgres")), "-D", str(directory / "data"), "-h", "", "-k"]
    with (directory / "log").open("wb") as log:
        postgres = subprocess.Popen([*argv, str(directory)], stdout=log, stderr=log)
    server = Server(f"host={directory} user=bench dbname=postgres", connect=timedelta(seconds=5)).at(password=password)
    while subprocess.run([programs.path("pg_isready"), "-q", "-h", directory], check=False).returncode:
        if postgres.poll() is not None:
            raise SystemExit((directory / "log").read_text())
        time.sleep(0.05)

    def end() -> None:
        postgres.terminate()  # SIGTERM waits for sessions; there are none left
        postgres.wait()
        shutil.rmtree(directory)

    return server, end


def _execute(server: Server, sql: str) -> None:
    with session(server, limit=timedelta(hours=1), settings=False) as opened:
        for statement in filter(str.strip, sql.split(";\n")):
            opened.rows(statement)


def _fill(programs: clients.Programs, server: Server, gb: float) -> int:
    """Make the database; returns its size in bytes."""
    scale = max(1, round(gb * SCALE_PER_GB))
    argv = [str(programs.path("pgbench")), "-i", "-q", "-s", str(scale), "--partitions=4"]
    subprocess.run([*argv, "-d", server.argument()], env=Bench._env(server), check=True, stderr=subprocess.DEVNULL)
    _execute(server, _JSON_TABLE.format(rows=round(gb * JSON_ROWS_PER_GB)) + "vacuum analyze;\ncheckpoint")
    with session(server, limit=timedelta(minutes=1), settings=False) as opened:
        return int(opened.value("select pg_database_size(current_database())"))


def _measure(case: Case, figures: Figures) -> None:
    case.prepare()
    try:
        measure(case.name, case.argv(), figures, case.env())
    finally:
        case.after()


def _markdown(cases: Sequence[Case], measured: dict[str, Figures], about: dict[str, object]) -> str:
    lines = [", ".join(f"{key}: {value}" for key, value in about.items()), ""]
    for group, peer in (("backup", "pg_dump | zstd | age > file"), ("verify", "pg_restore -j2, default server")):
        chosen = [case for case in cases if case.group == group]
        if not chosen:
            continue
        base = measured[f"{group}: {peer}"].median
        lines += [
            f"| {group} | median | min–max | × {_cell(peer)} | our memory | clients' memory |",
            "|---|--:|--:|--:|--:|--:|",
        ]
        for case in chosen:
            one = measured[f"{group}: {case.name}"]
            lines.append(
                f"| {_cell(case.name)} | {one.spread} "
                f"| {one.median / base:.2f} | {one.ours_mb:.0f} MB | {one.clients_mb:.0f} MB |"
            )
        lines.append("")
    lines += phase_lines({case.name: measured[f"{case.group}: {case.name}"] for case in cases})
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="PostgreSQL backup and verification against the plain tools.")
    parser.add_argument("--gb", type=float, default=2.0, help="size of the database (2)")
    parser.add_argument("--runs", type=int, default=5, help="times every case runs (5)")
    parser.add_argument("--directory", type=Path, help="where to work; a temporary directory by default")
    parser.add_argument("--only", choices=["backup", "verify"], help="one half; verify still takes its backups once")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    return parser.parse_args()


def _programs() -> clients.Programs:
    """Debian's server when it is installed, as most have it; else the embedded one."""
    servers = [each for each in clients.installed() if each.has("postgres", "initdb", "pgbench")]
    return next((each for each in servers if each.major == 15), servers[0])


def main() -> None:
    """Make the database, run every case in turn, and write what came out."""
    arguments, programs = _arguments(), _programs()
    os.umask(0o077)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.directory) as directory:
        server, end = _start(programs, Path(directory) / "source")
        try:
            size = _fill(programs, server, arguments.gb)
            print(f"PostgreSQL {programs.version}, database of {size / 2**30:.2f} GiB", flush=True)
            bench = Bench(Path(directory), programs, server)
            cases = [*bench.dump_cases(), *bench.restore_cases()]
            measured = {f"{case.group}: {case.name}": Figures() for case in cases}
            for run in range(arguments.runs):
                print(f"run {run + 1} of {arguments.runs}", flush=True)
                for case in cases:
                    if arguments.only in {None, case.group} or (run == 0 and case.name.startswith("ours")):
                        _measure(case, measured[f"{case.group}: {case.name}"])
        finally:
            end()
    about: dict[str, object] = {
        "PostgreSQL": programs.version,
        "database": f"{size / 1e9:.2f} GB",
        "runs": arguments.runs,
        "cores": os.cpu_count(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "Python": platform.python_version(),
    }
    cases = [case for case in cases if measured[f"{case.group}: {case.name}"].seconds]
    cases = [case for case in cases if arguments.only in {None, case.group}]
    table = _markdown(cases, measured, about)
    print("\n" + table)
    if arguments.markdown:
        arguments.markdown.write_text(table, encoding="utf-8")
    if arguments.json:
        figures = {name: {**asdict(one), "median": one.median} for name, one in measured.items() if one.seconds}
        arguments.json.write_text(json.dumps({"about": about, "cases": figures}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
