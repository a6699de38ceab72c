"""Dump and restore of MariaDB against the plain tools, in the same run: `python -m benchmarks.mysql`.

A dump against `mariadb-dump | zstd | age`, with the fingerprint off and full; the load of a verification against
`zstd -dc | mariadb` into a server with its default settings. Medians of interleaved rounds; the aim is 1.15.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from datetime import timedelta
from pathlib import Path
from statistics import median

import pyrage

from benchmarks.harness import timed
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.mysql import clients
from ops_pipelines.engines.mysql.connection import Server, options_for_programs, session
from ops_pipelines.engines.mysql.server import private_server
from ops_pipelines.recovery.verify import verify
from ops_pipelines.workspace import Workspace, open_workspace

_TABLE = """create table {name} (id int auto_increment primary key, k int not null, c char(120) not null,
            pad char(60) not null, at datetime(3) not null, key k (k))"""
_ROWS = """insert into {name} (k, c, pad, at) select floor(rand() * 1e6), concat(md5(seq), md5(seq * 3), md5(seq * 7)),
           md5(seq * 11), now(3) - interval seq second from seq_1_to_{rows}"""


def fill(server: Server, rows: int) -> int:
    """Four tables; returns their size in bytes."""
    with session(server, limit=timedelta(minutes=10)) as opened:
        opened.rows("create database bench")
    with session(server.at("bench"), limit=timedelta(minutes=10), settings=False) as opened:
        for name in ("one", "two", "three", "four"):
            opened.rows(_TABLE.format(name=name))
            opened.rows(_ROWS.format(name=name, rows=rows // 4))
        opened.rows("analyze table one, two, three, four")
        return int(opened.value("select sum(data_length + index_length) from information_schema.tables"
                                " where table_schema = 'bench'"))  # fmt: skip


def configured(path: Path, server: Server, identity: pyrage.x25519.Identity, level: str) -> Workspace:
    """A workspace that protects the server's database."""
    path.mkdir()
    (path / "age.key").write_text(str(identity), encoding="utf-8")
    encrypt = {"age": [str(identity.to_public())], "identity": {"file": "age.key"}}
    source = {"kind": "mysql", "url": server.at("bench").url(), "encrypt": encrypt, "fingerprint": level}
    (path / "ops.yaml").write_text(json.dumps({"base": "base", "sources": {"bench": source}}), encoding="utf-8")
    return open_workspace(load_config(path / "ops.yaml", environ={}))


def plain_dump(server: Server, recipient: str, into: Path) -> None:
    """What a good cron line does."""
    with options_for_programs(server) as options:
        dump = f"mariadb-dump {options} --single-transaction --routines --triggers --events --hex-blob bench"
        subprocess.run(
            ["bash", "-o", "pipefail", "-c", f"{dump} | zstd -T0 -3 -q | age -r {recipient} > {into} && sync {into}"],
            check=True,
        )


def plain_restore(server: Server, key: Path, dump: Path) -> None:
    """Into a new database of a server as it comes."""
    with session(server, limit=timedelta(minutes=1)) as opened:
        opened.rows("drop database if exists back")
        opened.rows("create database back")
    with options_for_programs(server) as options:
        subprocess.run(
            ["bash", "-o", "pipefail", "-c", f"age -d -i {key} {dump} | zstd -dc | mariadb {options} back"], check=True
        )


def one_round(path: Path, server: Server) -> dict[str, float]:
    """Each step once, ours and the plain one's by turns."""
    path.mkdir()
    identity = pyrage.x25519.Identity.generate()
    recipient, dump = str(identity.to_public()), path / "plain.sql.zst.age"
    off, full = (configured(path / level, server, identity, level) for level in ("off", "full"))
    seconds = {
        "dump, plain": timed(lambda: plain_dump(server, recipient, dump)),
        "dump, fingerprint off": timed(lambda: take_backup(off, "bench")),
        "dump, fingerprint full": timed(lambda: take_backup(full, "bench")),
        "restore, plain": timed(lambda: plain_restore(server, path / "off" / "age.key", dump)),
    }
    for workspace, name in ((off, "off"), (full, "full")):
        point = workspace.catalogue("bench").newest
        assert point is not None
        verdict = verify(workspace, point)
        assert verdict.outcome == "verified", verdict.reason
        seconds[f"restore, load of a verification, {name}"] = verdict.seconds["load"] + verdict.seconds["decrypt"]
        seconds[f"restore, whole verification, {name}"] = (verdict.finished_at - verdict.started_at).total_seconds()
        seconds |= {f"phase, {name}, {phase}": took for phase, took in verdict.seconds.items()}
        seconds |= {f"check, {name}, {each.name}": each.seconds for each in verdict.checks if each.seconds is not None}
    return seconds


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_200_000, help="some 300 bytes each")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as scratch:
        top = Path(scratch)
        (top / "server").mkdir(mode=0o700)
        program = clients.for_server(clients.MARIADB, (10, 3))
        with private_server(program, top / "server", user="bench", password="bench-bench") as server:
            size_bytes = fill(server, arguments.rows)
            for number in range(arguments.rounds):
                for name, seconds in one_round(top / str(number), server).items():
                    found.setdefault(name, []).append(seconds)
                shutil.rmtree(top / str(number))
    middle = {name: median(seconds) for name, seconds in found.items()}
    load = os.getloadavg()[0]
    print(f"{arguments.rows:,} rows, {size_bytes / 1e6:.0f} MB, median of {arguments.rounds}, load {load:.1f}")
    for name, seconds in middle.items():
        peer = middle.get(f"{name.split(',', maxsplit=1)[0]}, plain")
        print(f"{name:40} {seconds:6.2f} s" + (f"   ratio {seconds / peer:4.2f}" if peer else ""))


if __name__ == "__main__":
    main()
