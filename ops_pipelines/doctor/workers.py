"""Questions about workers: does one listen wherever a source needs it, and does nobody get a task that is under way?"""

from collections.abc import Iterator

from ops_pipelines import queues
from ops_pipelines.clock import human_duration
from ops_pipelines.config.execution import CENTRE, CeleryExecution
from ops_pipelines.config.models import Config
from ops_pipelines.doctor.question import Answer, Question, attention, failed, well
from ops_pipelines.doctor.shared import Shared
from ops_pipelines.naming import Named
from ops_pipelines.settings.values import format_duration

SUBJECT = "workers"


def questions(shared: Shared) -> Iterator[Question]:
    """About workers, where there are any."""
    config = shared.workspace.config
    execution = config.execution
    if isinstance(execution, CeleryExecution):
        yield Question(SUBJECT, "queues", lambda: _queues(config, execution))
        yield Question(SUBJECT, "redelivery", lambda: _redelivery(config, execution))


def _queues(config: Config, execution: CeleryExecution) -> Answer:
    """Whether somebody listens on every queue, and on that of a site no more than one machine."""
    listening, names = queues.listeners(execution), Named()
    needed = {CENTRE, *(site for name in config.sources for site in (config.site(name), config.proving_site(name)))}
    workers = {site: listening.get(names.queue(site), []) for site in sorted(needed)}
    if deaf := [site for site, found in workers.items() if not found]:
        sources = [name for name in config.sources if {config.site(name), config.proving_site(name)} & {*deaf}]
        return failed(
            f"nobody listens at {', '.join(deaf)}: runs of {', '.join(sources) or 'everything'} wait",
            *(f"ops worker   # on the machine of {site}, as a service: OPS_SITE={site}" for site in deaf),
        )
    hosts = {site: sorted({each.partition("@")[2] for each in found}) for site, found in workers.items()}
    if crowded := {site: found for site, found in hosts.items() if len(found) > 1}:
        said = "; ".join(f"{' and '.join(found)} both work for {site}" for site, found in crowded.items())
        return failed(
            f"{said}: what one dumps, the other cannot copy",
            "stop ops worker on all but one of them, or give each a site of its own",
        )
    return well(f"a worker listens at {', '.join(workers)}")


def _redelivery(config: Config, execution: CeleryExecution) -> Answer:
    """Whether a task is left alone for as long as it may take."""
    if not queues.is_redis(queues.broker_url(execution)):
        return well("the broker notices when a worker is gone")
    after, longest = queues.redelivered_after(config, execution), queues.longest_step(config)
    if after <= longest:
        return attention(
            f"Redis gives a task again after {human_duration(after)}, and a dump may take {human_duration(longest)}: "
            "a second worker waits for the first meanwhile",
            f"execution: {{redeliver_after: {format_duration(queues.patient(longest))}}}   # in ops.yaml, then restart "
            "every ops worker",
        )
    return well(
        f"Redis gives a task again after {human_duration(after)}, a dump takes {human_duration(longest)} at most"
    )
