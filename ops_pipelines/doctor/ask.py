"""Ask every question, several at once, each within its own time; one that hangs or crashes stops no other."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from ops_pipelines.clock import human_duration
from ops_pipelines.doctor.question import Answer, Found, Question, failed
from ops_pipelines.errors import OpsError
from ops_pipelines.redact import redact

_AT_ONCE = 8
_NOBODY: Callable[[Found], None] = lambda found: None  # noqa: E731


def ask_all(questions: Sequence[Question], *, on_answer: Callable[[Found], None] = _NOBODY) -> list[Found]:
    """The answers, in the order of the questions.

    Args:
        on_answer: called with each answer as it comes.
    """
    waiting, asked = deque(range(len(questions))), dict[int, float]()
    answered: queue.SimpleQueue[tuple[int, Answer]] = queue.SimpleQueue()
    found: dict[int, Found] = {}

    def settle(index: int, answer: Answer) -> None:
        if index not in found:
            question = questions[index]
            found[index] = Found(question.subject, question.name, answer, round(time.monotonic() - asked[index], 3))
            on_answer(found[index])

    while len(found) < len(questions):
        while waiting and len(asked) - len(found) < _AT_ONCE:
            index = waiting.popleft()
            asked[index] = time.monotonic()
            # Not of a pool: its threads would be waited for at the end, and one that hangs never ends.
            threading.Thread(target=_answer, args=(questions[index], index, answered), daemon=True).start()
        until = {index: asked[index] + questions[index].limit.total_seconds() for index in asked.keys() - found.keys()}
        try:
            settle(*answered.get(timeout=max(0.0, min(until.values()) - time.monotonic())))
        except queue.Empty:
            for index in [each for each, moment in until.items() if moment <= time.monotonic()]:
                settle(index, _no_answer(questions[index]))
    return [found[index] for index in range(len(questions))]


def _answer(question: Question, index: int, answered: "queue.SimpleQueue[tuple[int, Answer]]") -> None:
    try:
        answer = question.ask()
    except OpsError as error:
        answer = of_error(error)
    except Exception as error:
        said = redact(f"this check itself failed: {type(error).__name__}: {error}".splitlines()[0])
        answer = failed(said, "this is a bug of ops_pipelines: please report it")
    answered.put((index, answer))


def of_error(error: OpsError) -> Answer:
    """What an error says, as an answer."""
    said = f"{error.what}: {error.why}" if error.why else error.what
    return failed(" ".join(said.split()), *(line for line in error.next.splitlines() if line))


def _no_answer(question: Question) -> Answer:
    return failed(
        f"no answer within {human_duration(question.limit)}",
        "something hangs: check its server, disk and network, then run this again",
    )
