"""`ops worker`: the worker of a site, where `execution: {kind: celery}` spreads steps over machines."""

import os
from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.config.execution import CENTRE, CeleryExecution
from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.extras import needed
from ops_pipelines.naming import Named
from ops_pipelines.vault.signing.keys import Keys
from ops_pipelines.workspace import open_workspace


@output.explained
def worker(
    at_once: Annotated[int, typer.Option("--at-once", min=1, help="Steps at the same time.")] = 2,
    key_prefix: Annotated[str, typer.Option("--key-prefix", help="That of build_definitions, where it has one.")] = "",
    config: output.ConfigOption = None,
) -> int:
    """Work for the site that `execution.here` names, until Ctrl-C or SIGTERM: what is under way is ended first.

    One machine a site: its local store has what the site dumps. Exit status: 0 stopped, 2 cannot start, 3 this machine
    would sign with a key of its own. Example: ops worker --at-once 2
    """
    loaded, found = output.open_config(config)
    execution = loaded.execution
    if not isinstance(execution, CeleryExecution):
        raise OpsError(
            "there is nothing to work for",
            why="steps run in the process of their run: execution.kind in ops.yaml is process",
            next="execution: {kind: celery, broker: …}; see the how-to many-machines",
        )
    workspace = open_workspace(loaded)
    _refuse_own_key(workspace.signing, execution.here)
    with needed("celery"):
        from ops_pipelines.orchestration.worker import application  # noqa: PLC0415

    names = Named((key_prefix,) if key_prefix else ())
    queue = names.queue(execution.here)
    app = application(loaded, execution, names)
    os.environ["OPS_CONFIG"] = str(found)  # for the code that the steps load
    output.say("site {}: listens on {}, {} at once", execution.here, queue, at_once)
    app.worker_main(
        ["worker", "--queues", queue, "--hostname", f"{execution.here}@%h", "--concurrency", str(at_once),
         "--without-gossip", "--without-mingle", "--loglevel", "INFO"]
    )  # fmt: skip
    return output.FINE


def _refuse_own_key(keys: Keys, site: str) -> None:
    """Workers sign as one installation. Raises SafetyRefusal."""
    if site == CENTRE or keys.trusted:
        return
    raise SafetyRefusal(
        f"this machine has no signing key, and what {site} dumps would be a stranger's to the others",
        why=f"{keys.directory} is empty: a worker signs with the key of the machine where Dagster runs",
        safe="nothing was started",
        next="copy base/keys of that machine here, readable by this user alone; then: ops key import THAT_FOLDER",
    )
