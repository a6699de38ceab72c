"""`ops report`: the backup report, written anew."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ops_pipelines import durable
from ops_pipelines.cli import output
from ops_pipelines.errors import OpsError
from ops_pipelines.language.speech import language
from ops_pipelines.redact import redact
from ops_pipelines.watch.health import EXIT_STATUS
from ops_pipelines.watch.monthly import month_of
from ops_pipelines.watch.monthly_report import month_markdown, month_page
from ops_pipelines.watch.report import Form, build_page, build_report, form_of, write_report, write_to
from ops_pipelines.watch.snapshots import look
from ops_pipelines.workspace import Workspace


class ReportNotWritten(OpsError):
    """The file for the report cannot be written."""


@output.explained
def report_(
    form: Annotated[Form | None, typer.Option("--format", help="md: Markdown, the default; html: with charts.")] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Write it to this file alone; .html is HTML, anything else Markdown.")
    ] = None,
    month: Annotated[
        str, typer.Option("--month", metavar="YYYY-MM", help="The account of a month instead: RPO and RTO kept, gaps.")
    ] = "",
    show: Annotated[bool, typer.Option("--print", help="Print it; write nothing.")] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Write the backup report: what is protected, how old it is, what was proved, what it compared.

    It is written below base/reports and where `report.path` says. As HTML it is one file with charts, for a browser, a
    phone or paper. The account of a month is measured in UTC, and --json prints its figures. Exit status, as of
    `ops status`: 0 fine, 1 attention (of a month: a promise was broken), 2 broken. Example: ops report --format html
    """
    workspace = output.open_last_good(config)
    if month:
        return _account(workspace, month, form or (form_of(to) if to is not None else "md"), to, show, as_json=as_json)
    found = look(workspace)
    status = max(EXIT_STATUS[health.state] for health in found)
    if show:
        build = build_page if form == "html" else build_report
        output.write(redact(build(workspace, found)))
        return status
    if to is None:
        written = write_report(workspace, found, form=form or "md")
    else:
        written = [to]
        with _writing(to):
            write_to(workspace, to, found, form=form or form_of(to))
    if as_json:
        output.print_json({"ok": status == output.FINE, "written": [str(path) for path in written]})
    else:
        for path in written:
            output.say("{}", path)
    return status


def _account(workspace: Workspace, month: str, form: Form, to: Path | None, show: bool, *, as_json: bool) -> int:
    """The account of a month; kept below base/reports unless it is to go elsewhere."""
    now = workspace.clock.now()
    found = month_of(workspace.config, lambda: workspace.ledger, month, now)
    status = output.FINE if found.promises_kept else output.ATTENTION
    if as_json:
        output.print_json({"ok": status == output.FINE, **found.model_dump(mode="json")})
        return status
    spoken = language(workspace.config.language)
    said = redact(month_page(found, now, spoken) if form == "html" else month_markdown(found, spoken))
    if show:
        output.write(said)
        return status
    path = to or workspace.places.reports / f"month-{month}.{form}"
    with _writing(path):
        durable.write(path, said.encode())
    output.say("{}", path)
    return status


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReportNotWritten(
            f"{path} cannot be written", why=error.strerror or str(error), safe="nothing else was changed",
            next="name a file in a folder that can be written",
        ) from None  # fmt: skip
