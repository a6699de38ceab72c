"""`ops backup` and `ops verify` run through Dagster, so that its UI shows them. Shared by both."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops_pipelines import home
from ops_pipelines.cli import output
from ops_pipelines.cli.progress import as_last_time, shown
from ops_pipelines.clock import SystemClock, human_size
from ops_pipelines.config.cadence import day_of
from ops_pipelines.config.models import Config
from ops_pipelines.errors import OpsError
from ops_pipelines.streams import Progress
from ops_pipelines.watch.history import restore_points
from ops_pipelines.workspace import Workspace

if TYPE_CHECKING:
    from ops_pipelines.orchestration.launch import RunResult

Chosen = tuple[Sequence[Any], str | None, Mapping[str, object]]
"""Asset keys, the day (none is the one on which the run begins), and the run configuration."""


def _no_more(name: str) -> Mapping[str, object]:
    return {}


def _nobody(name: str, failures: Sequence[str]) -> None:
    return


def run_sources(
    config: Config,
    found: Path,
    choices: Mapping[str, Chosen],
    *,
    as_json: bool,
    verbose: bool,
    more: Callable[[str], Mapping[str, object]] = _no_more,
    ended: Callable[[str, Sequence[str]], None] = _nobody,
) -> int:
    """Run one Dagster run per source, here; prints how each ended.

    Args:
        more: what a source's document says beside that, asked after its run.
        ended: is told when a source's run has ended, with every failure in words.
    Returns:
        The exit status.
    """
    # Dagster takes a second and a half to import: only commands that run it pay for it.
    from ops_pipelines.orchestration.describe import lines_of  # noqa: PLC0415
    from ops_pipelines.orchestration.instance import dagster_instance  # noqa: PLC0415
    from ops_pipelines.orchestration.launch import run_assets  # noqa: PLC0415

    if home.find_home(found.parent) is None and home.make(found.parent / home.INSTANCE):
        output.warn("wrote {}: where Dagster keeps its history", found.parent / home.INSTANCE)
    documents, status = [], output.FINE
    with dagster_instance(found.parent) as instance:
        for name, (selection, day, run_config) in choices.items():
            with shown(name, quiet=as_json) as progress:
                result = run_assets(
                    config,
                    instance,
                    source=name,
                    day=day or day_of(config, SystemClock().now()),
                    selection=selection,
                    run_config={**run_config, **({} if verbose else _QUIET)},
                    watcher=_Shown(as_last_time(progress, _last_size(config, name))),
                    tell=partial(output.warn, "{}: {}", name),
                )
            if not result.success:
                status = output.BROKEN
            ended(name, result.failures)
            documents.append(
                {
                    "source": name,
                    "ok": result.success,
                    "run_id": result.run_id,
                    **{key: result.facts.get(key) for key in _TOLD},
                    **{key: lines_of(result.facts.get(key)) for key in _LISTED},
                    "failures": result.failures,
                    **(more(name) if as_json else {}),
                }
            )
            if not as_json:
                _report(name, result)
    if as_json:
        output.print_json({"ok": status == output.FINE, "runs": documents})
    return status


_TOLD = ("backup_id", "size_bytes", "verdict", "proof", "grade", "configured_grade", "reason")
_LISTED = ("not_compared", "warnings", "restore_warnings")
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _last_size(config: Config, name: str) -> int | None:
    """Bytes of the newest dump before compression, as far as the ledger knows."""
    try:
        with Workspace(config).ledger.session() as session:
            return next((each.plain_bytes for each in restore_points(session, name, newest=1, gone=True)), None)
    except OpsError:
        return None


class _Shown:
    """Hands the terminal's progress to every step; stands in for the watcher that writes log lines."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def watch(self, context: object) -> Progress:
        return self._progress


def _report(name: str, result: "RunResult") -> None:
    from ops_pipelines.orchestration.describe import lines_of  # noqa: PLC0415

    if not result.success:
        for failure in result.failures:
            output.warn("[bold red]✗[/] {}", failure)
        return
    facts = result.facts
    size = f", {human_size(int(str(facts['size_bytes'])))}" if "size_bytes" in facts else ""
    verdict = f"{facts['proof']} from {facts['store']}" if "proof" in facts else "not verified yet"
    # A tick alone would say that everything was compared.
    mark = output.mark(good=bool(facts.get("whole")), otherwise="[yellow]![/]")
    output.say("{} {}: {} {}{}", mark, name, facts.get("backup_id"), verdict, size)
    remarks = [f"not compared: {gap}" for gap in lines_of(facts.get("not_compared"))]
    remarks += [line for key in ("warnings", "restore_warnings") for line in lines_of(facts.get(key))]
    for line in dict.fromkeys(remarks):
        output.say("  [yellow]![/] {}", line)
