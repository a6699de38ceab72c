"""`ops drill`: play a disaster and recover from it."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.cli.in_dagster import shown_in_dagster
from ops_pipelines.config.drills import SCENARIOS
from ops_pipelines.drill.report.sections import headline
from ops_pipelines.drill.run import Drilled, run_drill
from ops_pipelines.errors import OpsError
from ops_pipelines.watch.report import renew_report
from ops_pipelines.workspace import open_workspace

if TYPE_CHECKING:
    from ops_pipelines.orchestration.recorded import Result


@output.explained
def drill(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help=", ".join(SCENARIOS))],
    application: Annotated[
        list[str] | None, typer.Option("--application", help="Only this application; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of random_restore_point, to repeat its choice.")] = None,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Simulate a disaster: recover everything away from production, verify it, and write a signed report.

    Exit status: 0 passed, 1 passed with targets missed or a copy of the report not made, 2 failed.
    Example: ops drill total_loss
    """
    if scenario not in SCENARIOS:
        raise OpsError(f"there is no scenario {scenario!r}", next=f"ops drill {' | '.join(SCENARIOS)}")
    loaded, path = output.open_config(config)

    def report(step: str, _done: int, total: int | None) -> None:
        if total is None and not as_json:
            output.say("  {}", step)

    workspace = open_workspace(loaded)
    with shown_in_dagster(workspace, path, "dr_drill") as done:
        drilled = run_drill(
            workspace,
            scenario,
            applications=tuple(application or ()),
            seed=seed,
            progress=report,
        )
        done.failure = "" if drilled.report.passed else headline(drilled.report)
        done.results = partial(_results, drilled)
        renew_report(workspace)
        if as_json:
            document = {"ok": drilled.report.passed, "directory": str(drilled.directory),
                        "not_copied": dict(drilled.not_copied), **drilled.report.model_dump(mode="json")}  # fmt: skip
            output.print_json(document)
        else:
            _report(drilled)
    if not drilled.report.passed:
        return output.BROKEN
    return output.ATTENTION if drilled.report.missed or drilled.not_copied else output.FINE


def _results(done: Drilled) -> "list[Result]":
    from ops_pipelines.orchestration.results import drilled  # noqa: PLC0415

    return drilled(done)


def _rows(rows: int | None) -> str:
    return "rows not known" if rows is None else f"{rows} rows"


def _report(drilled: Drilled) -> None:
    report = drilled.report
    rows = []
    for group in report.groups:
        for each in group.sources:
            slowest = sorted(each.seconds.items(), key=lambda step: -step[1])[:3]
            rows.append(
                [
                    each.source, "back" if each.passed else "FAILED", each.words, f"{each.took_s:.1f} s",
                    ", ".join(f"{step} {took:.1f}" for step, took in slowest),
                    f"{each.loss.minutes:.0f} min, {_rows(each.loss.rows)}" if each.loss else "", each.store,
                ]
            )  # fmt: skip
    output.print_table(["source", "result", "proof", "took", "most of it", "lost", "from"], rows)
    for line in (*report.missed, *(f"not verified: {each}" for each in report.limits)):
        output.warn("[yellow]![/] {}", line)
    for store, why in drilled.not_copied.items():
        output.warn("[yellow]![/] the report is not in {}: {}", store, why)
    mark = output.mark(good=report.passed)
    output.say("{} {}", mark, headline(report))
    output.say("report    {}/report.md", drilled.directory)
