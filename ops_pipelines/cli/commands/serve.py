"""`ops serve`: the status page, `/metrics` and `/health`, from the ledger alone."""

from typing import Annotated

import typer

from ops_pipelines import logs
from ops_pipelines.cli import output
from ops_pipelines.extras import needed


@output.explained
def serve(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; anything but localhost needs web.token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 picks a free one.")] = 8700,
    dagster: Annotated[
        str, typer.Option("--dagster", help="Dagster's web server, for the buttons; default: alerts.dagster_url.")
    ] = "",
    buttons: Annotated[
        bool, typer.Option("--buttons", help="Whoever may read may start backups and restores; on localhost only.")
    ] = False,
    config: output.ConfigOption = None,
) -> int:
    """Serve the status page (/), Prometheus metrics (/metrics) and /health, until stopped.

    Its buttons need an operator: web.operate in ops.yaml, or --buttons where Dagster stands open beside it.

    Exit status: 0 stopped, 2 cannot listen, 3 refused to be open to others. Example: ops serve --port 8700
    """
    # Starlette and uvicorn take their time to import: only this command needs them.
    with needed("web"):
        from ops_pipelines.web.server import serve as serve_web  # noqa: PLC0415

    workspace = output.open_last_good(config)
    if workspace.config.logging is None:
        logs.set_up()
    serve_web(workspace, host=host, port=port, dagster_url=dagster or None, buttons=buttons)
    return output.FINE
