"""Where the steps of our jobs run: the executor, and the queue and the turn of each step.

With `execution: {kind: celery}` the process of a run hands each step to the worker of a site, and waits. One step of a
run goes after the other, as in one process: what has its place by priority has no dependency that could keep it.
"""

import json
from typing import Literal

import dagster as dg

from ops_pipelines.config.execution import CeleryExecution
from ops_pipelines.config.models import Config
from ops_pipelines.extras import needed
from ops_pipelines.naming import SOURCE_TAG
from ops_pipelines.orchestration.names import PLAIN, PRIORITY_TAG, Names
from ops_pipelines.orchestration.patience import in_one_process

Step = Literal["dump", "snapshot", "copy", "verify"]
_TURNS: dict[Step, int] = {"dump": 4, "snapshot": 3, "copy": 2, "verify": 1}
_OTHERS = 5
"""The turn that dagster-celery gives a step without one; in Dagster that is 0, and after ours as well."""
_POD_TAG = "dagster-k8s/config"
_QUEUE_TAG, _TURN_TAG = "dagster-celery/queue", "dagster-celery/priority"


def executor(config: Config, names: Names = PLAIN, *, in_turn: bool = True) -> dg.ExecutorDefinition:
    """The executor of the jobs that back up and prune.

    Args:
        in_turn: one step of a run goes after the other; else a site that does not answer keeps no other one.
    """
    if not isinstance(config.execution, CeleryExecution):
        return in_one_process
    with needed("celery"):
        from ops_pipelines.orchestration.at_sites import at_sites  # noqa: PLC0415
    return at_sites(config, config.execution, names, in_turn=in_turn)


def run_tags(config: Config, source: str) -> dict[str, str]:
    """The tags of a run that a schedule or a sensor asks for: whose it is, and what its pod is, where it is one."""
    pod = config.source(source).pod
    if pod is None:
        return {SOURCE_TAG: source}
    asked = {
        "container_config": {} if pod.resources is None else {"resources": pod.resources.model_dump(mode="json")},
        "pod_spec_config": {"node_selector": dict(pod.node_selector)},
    }
    return {SOURCE_TAG: source, _POD_TAG: json.dumps(asked)}


def step_tags(config: Config, source: str, step: Step, names: Names) -> dict[str, str]:
    """The tags of a step of a source's chain: its turn in the run, and where it runs."""
    site = config.proving_site(source) if step == "verify" else config.site(source)
    return {**_order(step), **at_site(config, site, names)}


def at_site(config: Config, site: str, names: Names) -> dict[str, str]:
    """The tag that sends a step to the worker of a site, where there are workers; others go to the centre's."""
    return {_QUEUE_TAG: names.queue(site)} if isinstance(config.execution, CeleryExecution) else {}


def _order(step: Step) -> dict[str, str]:
    """The tags that put steps of one run in their order where none needs the other: higher ones are first.

    A store that is down must not keep a backup from being proved, nor a database its uploads from being saved, so
    these are no dependencies: a failed one would skip what comes after it.
    """
    return {PRIORITY_TAG: str(_TURNS[step]), _TURN_TAG: str(_OTHERS + _TURNS[step])}
