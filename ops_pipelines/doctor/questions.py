"""Every question there is, in the order in which the answers are read."""

from ops_pipelines.doctor import configuration, keys, litter, running, sources, stores, workers
from ops_pipelines.doctor.question import Question
from ops_pipelines.doctor.shared import Shared


def all_questions(shared: Shared, *, sending: bool = False) -> list[Question]:
    """Questions about everything, or about one source and the stores it uses.

    Args:
        sending: send a message through every channel of alerting.
    """
    whole = len(shared.sources) == len(shared.workspace.config.sources)
    asked = list(configuration.questions(shared))
    for name in shared.sources:
        asked += sources.questions(shared, name)
    for name in shared.stores:
        asked += stores.questions(shared, name)
    if whole:
        asked += keys.questions(shared)
        asked += running.questions(shared, sending=sending)
        asked += workers.questions(shared)
        asked += litter.questions(shared)
    return asked
