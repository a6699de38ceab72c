"""`ops report`: the backup report, written anew."""

from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.redact import redact
from ops_pipelines.watch.health import EXIT_STATUS
from ops_pipelines.watch.report import build_report, write_report
from ops_pipelines.watch.snapshots import look


@output.explained
def report_(
    show: Annotated[bool, typer.Option("--print", help="Print it; write nothing.")] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Write the backup report, in Markdown: what is protected, how old it is, what was proved.

    It is written below base/reports and where `report.path` says. Exit status, as of `ops status`: 0 fine, 1 attention,
    2 broken. Example: ops report --print
    """
    workspace = output.open_last_good(config)
    found = look(workspace)
    status = max(EXIT_STATUS[health.state] for health in found)
    if show:
        output.write(redact(build_report(workspace, found)))
        return status
    written = write_report(workspace, found)
    if as_json:
        output.print_json({"ok": status == output.FINE, "written": [str(path) for path in written]})
    else:
        for path in written:
            output.say("{}", path)
    return status
