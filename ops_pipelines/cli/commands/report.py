"""`ops report`: the backup report, written anew."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ops_pipelines.cli import output
from ops_pipelines.errors import OpsError
from ops_pipelines.redact import redact
from ops_pipelines.watch.health import EXIT_STATUS
from ops_pipelines.watch.report import build_page, build_report, form_of, write_report, write_to
from ops_pipelines.watch.snapshots import look


class ReportNotWritten(OpsError):
    """The file for the report cannot be written."""


@output.explained
def report_(
    form: Annotated[
        Literal["md", "html"] | None, typer.Option("--format", help="md: Markdown, the default; html: with charts.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Write it to this file alone; .html is HTML, anything else Markdown.")
    ] = None,
    show: Annotated[bool, typer.Option("--print", help="Print it; write nothing.")] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Write the backup report: what is protected, how old it is, what was proved, what it compared.

    It is written below base/reports and where `report.path` says. As HTML it is one file with charts, for a browser, a
    phone or paper. Exit status, as of `ops status`: 0 fine, 1 attention, 2 broken. Example: ops report --format html
    """
    workspace = output.open_last_good(config)
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
        try:
            write_to(workspace, to, found, form=form or form_of(to))
        except OSError as error:
            raise ReportNotWritten(
                f"{to} cannot be written", why=error.strerror or str(error), safe="nothing else was changed",
                next="name a file in a folder that can be written",
            ) from None  # fmt: skip
    if as_json:
        output.print_json({"ok": status == output.FINE, "written": [str(path) for path in written]})
    else:
        for path in written:
            output.say("{}", path)
    return status
