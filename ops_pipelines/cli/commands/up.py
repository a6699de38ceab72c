"""`ops up`: everything that runs by itself, in one terminal: Dagster's web UI and daemon, and the status page."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
import yaml

from ops_pipelines import home, stopping
from ops_pipelines.cli import output
from ops_pipelines.cli.parts import HOST, Part, refuse_taken, started
from ops_pipelines.config.models import Config
from ops_pipelines.errors import Busy
from ops_pipelines.extras import ExtraMissing, needed
from ops_pipelines.places import Places

_PORT, _PAGE_PORT = 3000, 8700


@output.explained
def up(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of Dagster's web UI.")] = _PORT,
    page_port: Annotated[
        int, typer.Option("--page-port", min=1, max=65535, help="Port of the status page.")
    ] = _PAGE_PORT,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show everything that Dagster says.")] = False,
    config: output.ConfigOption = None,
) -> int:
    """Run backups by their schedules, with Dagster's web UI and the status page, until Ctrl-C or SIGTERM.

    Listens on 127.0.0.1 alone. Writes dagster.yaml and workspace.yaml beside ops.yaml where there are none.
    Exit status: 0 stopped, 2 cannot start, or a part ended. Example: ops up --port 3001
    """
    loaded, found = output.open_config(config)
    instance, workspace = _files(found.parent)
    _refuse_second(instance)
    parts = [Part("web UI", _dagster(port, workspace, verbose=verbose), port), *_page(page_port, port)]
    for each in parts:
        refuse_taken("--port" if each.port == port else "--page-port", each.port)
    _notice_stops()
    output.say("starting …")
    # Without safe paths, a folder of the user's called `alembic` would be taken for the library. DAGSTER_HOME is not
    # set: what lies in its folder `logs` Dagster takes for its own, to be sent to its makers.
    env = {"OPS_CONFIG": str(found), "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
    try:
        with stopping.Held() as held, started(parts, folder=instance, env=env) as running, held.allow_stops():
            running.wait_until_all_answer()
            _tell(loaded, found, instance, parts)
            running.watch()
    except KeyboardInterrupt:
        output.say("stopped: no backup begins by itself until the next ops up")
    return output.FINE


def _files(near: Path) -> tuple[Path, Path]:
    """The folder of Dagster's instance, and the file that says what it loads; what is missing is made."""
    instance = home.find_home(near)
    if instance is None:
        instance = near
        home.make(near / home.INSTANCE)
        output.say("wrote {}: where Dagster keeps its history", near / home.INSTANCE)
    workspace = near / home.WORKSPACE
    if not workspace.is_file() and (instance / home.WORKSPACE).is_file():
        workspace = instance / home.WORKSPACE
    if home.make(workspace):
        output.say("wrote {}: what Dagster loads", workspace)
    return instance, workspace


def _refuse_second(instance: Path) -> None:
    if not home.hold(instance, wait=False):
        raise Busy(
            f"Dagster runs already, on {instance / home.INSTANCE}",
            why="two daemons of one instance would start every backup twice",
            safe="nothing was started; the one that runs goes on",
            next="stop that one first, with Ctrl-C where it was started; or use it",
        )


def _dagster(port: int, workspace: Path, *, verbose: bool) -> list[str]:
    return [
        # Dagster recommends a command for projects of its own kind in the place of this one.
        sys.executable, "-W", "ignore:Function `dev_command`", "-m", "dagster", "dev", "--host", HOST,
        "--port", str(port), "--workspace", str(workspace), "--log-level", "info" if verbose else "warning",
    ]  # fmt: skip


def _page(port: int, dagster_port: int) -> list[Part]:
    """The status page; without what it needs, the rest runs all the same.

    Its buttons are open to who reaches it: so is Dagster beside it.
    """
    try:
        with needed("web"):
            import ops_pipelines.web.server  # noqa: F401, PLC0415
    except ExtraMissing as error:
        output.warn("[yellow]![/] there will be no status page: {}", error)
        return []
    beside = ["--dagster", f"http://{HOST}:{dagster_port}", "--buttons"]
    argv = [sys.executable, "-m", "ops_pipelines", "serve", "--host", HOST, "--port", str(port), *beside]
    return [Part("status page", argv, port)]


def _notice_stops() -> None:
    """A script's background job ignores SIGINT, and so would what we start; Dagster then ignores SIGTERM as well."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _tell(config: Config, found: Path, instance: Path, parts: list[Part]) -> None:
    """Where everything is."""
    ledger = "in the database that ledger: names" if config.ledger else Places(config.base).ledger
    for name, where in (
        *((each.name, f"http://{HOST}:{each.port}") for each in parts),
        ("configuration", found),
        ("backups", config.base),
        ("ledger", ledger),
        ("logs of runs", _logs(instance)),
        ("to stop", f"Ctrl-C, or kill {os.getpid()}"),
    ):
        output.say("{}  {}", f"{name:<13}", where)


def _logs(instance: Path) -> str:
    """The folder in which Dagster keeps what runs print."""
    settings = instance / home.INSTANCE
    try:
        kept = yaml.safe_load(settings.read_text(encoding="utf-8"))["compute_logs"]["config"]["base_dir"]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return f"as {settings} says"
    return str(instance / str(kept))
