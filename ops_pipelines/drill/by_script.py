"""The standard-tools half: one source of every drill is restored by the kit's script alone, and compared.

The script runs with nothing but a directory of links to the programs it names as its PATH: no Python, no
ops_pipelines. Where the store is a directory it runs without a network as well, which a clean machine may not have yet.
"""

import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from importlib import resources
from pathlib import Path

from ops_pipelines import process
from ops_pipelines.drill.context import Drill
from ops_pipelines.drill.record import SourceResult
from ops_pipelines.drill.recover import newest
from ops_pipelines.engines.base import Contents, Prover
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.errors import OpsError
from ops_pipelines.language.said import said
from ops_pipelines.proof import grade_of
from ops_pipelines.recovery.choose import sentence
from ops_pipelines.recovery.compare import compare, uncompared
from ops_pipelines.recovery.enclosed.engine import enclosed
from ops_pipelines.recovery.enclosed.ours import ours
from ops_pipelines.recovery.kit.kit import BELIEVED, SCRIPT
from ops_pipelines.recovery.reload import in_scratch
from ops_pipelines.recovery.verify import farthest_store, fingerprint_of
from ops_pipelines.scratch import scratch_directory
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.reader import Copy

_STANDARD = (
    "age", "awk", "base64", "cat", "cp", "df", "dirname", "find", "grep", "head", "id", "ls", "mkdir", "mktemp", "od",
    "openssl", "rm", "sed", "sh", "sha256sum", "sort", "tail", "tar", "tr", "wc", "zstd",
)  # fmt: skip
_TARGET = "drill_by_hand"
_QUICK = process.Limits(stall=timedelta(seconds=10), total=timedelta(seconds=10))


def recover_by_script(drill: Drill, points: Mapping[str, RestorePoint] | None = None, *, store: str = "") -> None:
    """Restore one of the drill's sources with standard tools only; the result is added to the drill.

    Which one changes from drill to drill, among those whose tools are installed.

    Args:
        points: restore points to use instead of the newest verified.
        store: the store to use instead of the farthest.
    """
    chosen: dict[str, tuple[RestorePoint, str]] = {}
    missing: dict[str, str] = {}
    for name in drill.sources:
        try:
            point = (points or {}).get(name) or newest(drill, name)
        except OpsError:
            continue  # told by the other half
        where = store or farthest_store(drill.clean.stores, point)
        lacking = [each for each in _tools(drill, name, where, point.manifest) if _program(drill, name, each) is None]
        if lacking:
            missing[name] = ", ".join(lacking)
        else:
            chosen[name] = (point, where)
    for name, tools in missing.items():
        drill.limits.append(
            said("{name} cannot be restored with standard tools here: {tools} is not installed", name=name, tools=tools)
        )
    if not chosen:
        drill.limits.append(said("nothing was restored with standard tools only"))
        return
    past = drill.workspace.ledger.recent(kind="drill", limit=200)
    last: dict[object, int] = {}
    for drills_ago, row in enumerate(past):
        last.setdefault(row.meta.get("by_script"), drills_ago)
    name = max(sorted(chosen), key=lambda each: last.get(each, len(past)))
    _play(drill, name, *chosen[name])


def _tools(drill: Drill, name: str, store: str, manifest: Manifest) -> list[str]:
    settings = drill.clean.config.stores.get(store)
    # restic reads buckets itself, but the list of restore points is fetched.
    fetchers = [settings.fetcher] if settings is not None and settings.fetcher else []
    return [*_STANDARD, *kind_of(manifest.kind).tools(manifest.engine), *fetchers]


def _program(drill: Drill, name: str, wanted: str) -> tuple[str, Path] | None:
    """A program by one of its names; of databases, first where the source's clients are looked for."""
    source = drill.clean.config.source(name)
    places = [str(each) for each in source.bin_dirs]
    if (found := kind_of(source.kind).program(wanted)) is not None:
        return wanted, found
    beside = str(Path(sys.executable).parent)
    for each in wanted.split("|"):
        path = shutil.which(each, path=os.pathsep.join([*places, os.environ.get("PATH", ""), beside]))
        # A script of Python's would prove nothing: only what runs by itself is standard.
        if path is not None and Path(path).resolve().read_bytes()[:2] != b"#!":
            return each, Path(path).resolve()
    return None


def _play(drill: Drill, name: str, point: RestorePoint, store: str) -> None:
    started = time.monotonic()
    again = said(
        "{name}: {id} from {store} once more, with recover.sh and standard tools only",
        name=name, id=point.id, store=store,
    )  # fmt: skip
    drill.say(again)
    settings = drill.workspace.config.source(name)
    facts: dict[str, object] = {
        "source": name, "kind": settings.kind, "by": "recover.sh", "backup_id": point.id, "store": store,
        "rpo_s": settings.rpo.total_seconds(), "rto_s": settings.rto.total_seconds(), "verified_before": point.verified,
    }  # fmt: skip
    try:
        with ExitStack() as stack:
            facts |= _ByScript(drill, name, point, store, stack).run()
    except OpsError as error:
        facts["failure"] = sentence(error)
    result = SourceResult.model_validate({**facts, "took_s": round(time.monotonic() - started, 3)})
    drill.by_hand.append(result)
    took = round(result.took_s, 1)
    if result.passed:
        drill.say(said("{name}: is back and equal by recover.sh after {took} s", name=name, took=took))
    else:
        why = result.problems[0]
        drill.say(said("{name}: is NOT back by recover.sh after {took} s: {why}", name=name, took=took, why=why))


class _ByScript:
    """One restore by the script: a directory of programs, keys that lie in it, a server that knows nothing."""

    def __init__(self, drill: Drill, name: str, point: RestorePoint, store: str, stack: ExitStack) -> None:
        self._drill, self._name, self._point, self._store, self._stack = drill, name, point, store, stack
        self._home = drill.directory / "standard"
        for each in ("bin", "tmp", "keys"):
            (self._home / each).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._secrets: dict[str, str] = {}
        self._needs_network: str = ""  # for what

    def run(self) -> dict[str, object]:
        """Restore and compare. Raises OpsError."""
        machine, name = self._drill.clean, self._name
        manifest = machine.stores[self._store].manifest(name, self._point.id, fresh=True)
        copy = Copy(machine.stores[self._store], manifest, lambda: machine.identities(name))
        held = fingerprint_of(copy)
        # What a script writes into a folder is this user's; in the sandbox nobody could read it.
        in_folder = kind_of(manifest.kind).on_disk
        apart = ours(self._drill.workspace.config)
        engine = machine.config.engine(name) if in_folder else enclosed(machine.config, manifest, apart)
        directory = self._stack.enter_context(scratch_directory(machine.places.scratch, manifest.kind))
        began = time.monotonic()
        target = self._stack.enter_context(engine.scratch(directory, manifest.engine))
        seconds = {"start": round(time.monotonic() - began, 3)}
        to, words = self._target(manifest, target, directory)
        began = time.monotonic()
        self._sh(manifest, to, words)
        seconds["recover.sh"] = round(time.monotonic() - began, 3)
        began = time.monotonic()
        compared = self._compared(engine, manifest, held, target, to)
        seconds["compare"] = round(time.monotonic() - began, 3)
        return {"seconds": seconds, **compared}

    def _sh(self, manifest: Manifest, to: str, words: Sequence[str | Path]) -> None:
        for wanted in _tools(self._drill, self._name, self._store, manifest):
            found = _program(self._drill, self._name, wanted)
            assert found is not None, "looked for before"
            link = self._home / "bin" / found[0]
            link.unlink(missing_ok=True)
            link.symlink_to(found[1])
        script, kit = self._home / SCRIPT, self._drill.kit.directory
        script.write_bytes(
            (kit / SCRIPT).read_bytes()
            if kit is not None
            else resources.files("ops_pipelines.recovery.kit").joinpath(SCRIPT).read_bytes()
        )
        believed = self._drill.clean.trust.for_openssl()
        if kit is not None and (kit / BELIEVED).is_file():
            believed = (kit / BELIEVED).read_bytes()
        (self._home / BELIEVED).write_bytes(believed)
        for number, key in enumerate(self._drill.clean.keys):
            path = self._home / "keys" / f"{number}.key"
            path.touch(mode=0o600)
            path.write_text(f"{key}\n", encoding="utf-8")
        where, prefix = self._where(), _offline()
        if self._needs_network or not prefix:
            why = self._needs_network or said("this machine allows no namespace without one")
            self._drill.limits.append(said("recover.sh ran with a network: {why}", why=why))
            prefix = []
        limits = self._drill.workspace.config.source(self._name).limits
        argv: list[str | Path] = [*prefix, shutil.which("env") or "env", "-i"]
        # Nothing of ours is inherited; secrets come through a file that the shell reads.
        settings = self._home / "environment.sh"
        settings.touch(mode=0o600)
        values = {**self._secrets, "PATH": str(self._home / "bin"), "TMPDIR": str(self._home / "tmp")}
        settings.write_text(
            "".join(f"export {key}={_quoted(value)}\n" for key, value in values.items()), encoding="utf-8"
        )
        argv += [
            self._home / "bin" / "sh", "-c", '. "$0"; exec sh "$@"', settings, script, "restore", where, self._name,
            "--to", to, "--backup", self._point.id, "-i", self._home / "keys", *words,
        ]  # fmt: skip
        try:
            done = process.run(
                argv, limits=process.Limits(stall=limits.total, total=limits.total), accept=(0, 1), cwd=self._home
            )
        except process.CommandFailed as error:
            self._drill.keep("recover.sh.txt", error.why, said("what recover.sh said about {name}", name=self._name))
            raise OpsError(f"recover.sh could not restore {self._name}", why=error.why or error.what) from None
        printed = f"{done.stdout.decode(errors='replace')}{done.stderr}"
        what = said("what recover.sh printed while it restored {name}", name=self._name)
        self._drill.keep("recover.sh.txt", printed, what)

    def _where(self) -> str:
        """The store in the script's words."""
        store, settings = self._drill.clean.stores[self._store], self._drill.clean.config.stores.get(self._store)
        if settings is None or store.root is not None:
            return str(store.root)
        self._secrets |= {**store.repository(self._name).environment, **settings.shell_environment}
        self._needs_network = said("the store is a bucket")
        return settings.shell_address

    def _target(self, manifest: Manifest, target: str, directory: Path) -> tuple[str, Sequence[str]]:
        """The script's words for where to restore, and how to log in there."""
        kind, source = kind_of(manifest.kind), self._drill.clean.config.source(self._name)
        if (password := source.repository_password) is not None:
            self._secrets["RESTIC_PASSWORD"] = password.reveal(purpose=f"source {self._name}, password")
        if kind.on_disk:
            return str(directory / "restored"), []
        login = kind.script_login(target, self._home)
        self._secrets |= login.environment
        if not login.local:
            self._needs_network = said("the new server is reached over it")
        return _TARGET, login.options

    def _compared(self, engine: Prover, manifest: Manifest, held: Contents, target: str, to: str) -> dict[str, object]:
        url = kind_of(manifest.kind).at(target, to)
        found = engine.contents(url, held.level, way=held.way)
        return {
            "checks": compare(held, found, in_scratch(engine, url)),
            "rows": found.rows if held.level != "off" else None,
            "grade": grade_of(held.level),
            "gaps": uncompared(held, found),
        }


def _offline() -> list[str]:
    """The prefix that takes the network away; empty where the machine allows none."""
    for prefix in (["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"]):
        try:
            process.run([*prefix, "true"], limits=_QUICK)
        except process.CommandFailed:
            continue
        return prefix
    return []


def _quoted(value: str) -> str:
    escaped = value.replace("'", "'\\''")
    return f"'{escaped}'"
