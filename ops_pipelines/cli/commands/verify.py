"""`ops verify`: restore a backup into a scratch server and compare, as a Dagster run."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ops_pipelines import text
from ops_pipelines.cli import output
from ops_pipelines.cli.junit import Case, Suite, refusal_told, write_junit
from ops_pipelines.cli.through_dagster import Chosen, run_sources
from ops_pipelines.config.cadence import day_of
from ops_pipelines.config.models import Config
from ops_pipelines.errors import StoreError
from ops_pipelines.places import Places
from ops_pipelines.recovery.choose import choose
from ops_pipelines.recovery.differences import as_lines, by_name
from ops_pipelines.recovery.logbook import Entry, last_entry
from ops_pipelines.recovery.refuse import refuse_shared_server
from ops_pipelines.redact import redact
from ops_pipelines.vault.catalogue import Catalogues, RestorePoint
from ops_pipelines.workspace import Workspace, open_workspace

_COMMAND = "ops verify"


@output.explained
def verify(
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Default: all.")] = None,
    backup: Annotated[str, typer.Option("--backup", help="A restore point ID; default: the newest.")] = "",
    store: Annotated[str, typer.Option("--from", help="The store to fetch from; default: the farthest.")] = "",
    show: Annotated[
        bool, typer.Option("--show", help="Do not verify; show what the last verification found, line by line.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Also write it as JUnit XML: a test case for each check.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show Dagster's own log.")] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Prove backups: restore into a throwaway server, compare with what the source held, run your checks.

    Runs through Dagster, so it shows in its UI. Definitions that came back differently are kept on this machine:
    --show tells them line by line. Example: ops verify crm --junit verify.xml
    """
    loaded, found = output.open_config(config)
    workspace = open_workspace(loaded)
    names = sources or list(loaded.sources)
    if show:
        return _show(workspace.config, workspace.places, names, backup, as_json=as_json)
    with refusal_told(junit, _COMMAND):
        points = {name: _chosen(workspace, name, backup, store) for name in names}
    more, since = partial(_differences, workspace.places), workspace.clock.now()
    suites: list[Suite] = []

    def ended(name: str, failures: Sequence[str]) -> None:
        entry = last_entry(workspace.places.verifications, name, points[name].id)
        suites.append(_suite(name, entry if entry is not None and entry.finished_at >= since else None, failures))

    try:
        choices = _choices(workspace, points, store)
        return run_sources(loaded, found, choices, as_json=as_json, verbose=verbose, more=more, ended=ended)
    finally:
        if junit is not None:
            write_junit(junit, _COMMAND, suites)


def _chosen(workspace: Workspace, name: str, backup: str, store: str) -> RestorePoint:
    """The restore point of a source that is to be verified. Raises OpsError when that one cannot be."""
    workspace.config.source(name)
    refuse_shared_server(workspace.config, name)
    point = choose(workspace, name, backup) if backup else _newest(workspace.catalogue, name)
    if store and store not in point.stores:
        raise StoreError(f"{point.id} is not in {store}", why=f"it is in {', '.join(point.stores)}")
    return point


def _choices(workspace: Workspace, points: Mapping[str, RestorePoint], store: str) -> dict[str, Chosen]:
    """What a run of each source is to do."""
    from ops_pipelines.orchestration.names import PLAIN  # noqa: PLC0415

    found: dict[str, Chosen] = {}
    for name, point in points.items():
        run_config = {"ops": {PLAIN.verify_step(name): {"config": {"backup_id": point.id, "store": store}}}}
        # One that is dated in the future belongs to no day that there is yet.
        day = day_of(workspace.config, min(point.started_at, workspace.clock.now()))
        found[name] = ([PLAIN.verified(name), PLAIN.report], day, run_config)
    return found


def _suite(name: str, entry: Entry | None, failures: Sequence[str]) -> Suite:
    """A source for a CI: its verdict, each check, and what was not compared.

    Args:
        entry: nothing when the verification came to no verdict.
        failures: of the run, in words.
    """
    if entry is None:
        said = failures or ["it came to no verdict"]
        return Suite(name, [Case("verify", error=said[0].splitlines()[0], details="\n".join(said))])
    unsure = entry.outcome == "inconclusive"
    about = f"{entry.backup_id} from {entry.store}: {entry.words}"
    cases = [
        _case("verify", about, entry.took_s, fault="" if entry.outcome == "verified" else entry.reason, unsure=unsure)
    ]
    for check in entry.checks:
        failed = not check.passed and not check.attention
        fault = (check.detail or "it does not hold") if failed else ""
        cases.append(_case(check.name, check.detail, check.seconds, fault=fault, unsure=unsure))
    cases += [Case(f"compare {gap.what}", skipped=gap.why, details=gap.cure) for gap in entry.missing]
    if entry.outcome == "verified" and failures:
        cases.append(Case("run", failure=failures[0].splitlines()[0], details="\n".join(failures)))
    return Suite(name, cases)


def _case(name: str, details: str, seconds: float | None, *, fault: str, unsure: bool) -> Case:
    """A fault is the backup's, unless the verifier itself has failed."""
    return Case(name, seconds, failure="" if unsure else fault, error=fault if unsure else "", details=details)


def _show(config: Config, places: Places, sources: Sequence[str], backup: str, *, as_json: bool) -> int:
    """The differences that the last verification of each source found, from this machine's own logs."""
    documents, status = [], output.FINE
    for name in sources:
        config.source(name)
        entry = last_entry(places.verifications, name, backup)
        if entry is None:
            raise StoreError(
                f"no verification of {backup or name} left a log here",
                why=f"{config.base / 'verify' / name} has none",
                next=f"ops verify {name}",
            )
        status = output.BROKEN if entry.outcome == "bad" else status
        documents.append(entry.model_dump(mode="json"))
        if not as_json:
            when = f"{entry.finished_at:%Y-%m-%d %H:%M} UTC"
            output.say("{} {} from {}, {}: {}", name, entry.backup_id, entry.store, when, entry.outcome)
            lines = list(as_lines(entry.differences)) or ["no definition differed", *_others(entry)]
            output.write("".join(f"  {text.line(redact(line))}\n" for line in lines))
    if as_json:
        output.print_json({"ok": status == output.FINE, "verifications": documents})
    return status


def _others(entry: Entry) -> list[str]:
    return [f"{check.name}: {check.detail}" for check in entry.failed]


def _differences(places: Places, name: str) -> Mapping[str, object]:
    entry = last_entry(places.verifications, name)
    return {"differences": by_name(entry.differences if entry else {})}


def _newest(catalogues: Catalogues, name: str) -> RestorePoint:
    newest = catalogues(name).newest
    if newest is None:
        raise StoreError(f"{name} has no restore point yet", next=f"ops backup {name}")
    return newest
