"""Every process of every command, killed or told to stop at any moment: what is left is whole, told, and cleared away.

300 kills an engine are `make faults N=300 ONLY=kills`; each is repeated alone by its name.
"""

import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.ledger.models import CANCELLED, FAILED, Activity
from ops_pipelines.watch.alerts.incidents import IN_A_STORM
from tests.engines.mongodb.conftest import mongo  # noqa: F401 (a fixture)
from tests.engines.mysql.conftest import mariadb  # noqa: F401 (a fixture)
from tests.faults.aftermath import Standing, aftermath, back_up, standing
from tests.faults.forked import Forked, start
from tests.faults.house import House, build
from tests.faults.protected import ENGINES, protect
from tests.faults.strike import Struck, strike
from tests.faults.tries import chance, tries
from tests.faults.verbs import LEGACY, Verb, told, verbs_of
from tests.watch.receivers import webhook

_STOPPED = 130
_ENDS_WITHIN_S = 90
_MARKS = ("✗", "FAILED")
"""How a line about trouble begins."""
_MARKS_OF_ATTENTION = ("\n! ", *_MARKS)
"""The same where the exit status is 1: something wants attention."""

_OF_DAGSTERS_OWN = re.compile(
    r'Traceback \(most recent call last\):\n(?:  File "[^"]*watch_orphans\.py".*\n    .*\n)+KeyboardInterrupt\n'
)
"""What a helper of Dagster prints that is interrupted alone."""
_OF_PYTHONS_START = re.compile(
    r"Fatal Python error: init_import_site: .*\nPython runtime state: initialized\n"
    r"Traceback \(most recent call last\):\n(?:  .*\n|\n)+KeyboardInterrupt\n"
)
"""What an interpreter prints that is interrupted before it has run a line of ours: no handler can stand yet."""
_AT_FIRST_S = 3.0
"""How long a command is thought to take before one was seen to its end."""


@dataclass
class Lived:
    """A house that lives through many kills, and how long its commands take when they are left alone."""

    house: House
    lasts_s: dict[str, float] = field(default_factory=dict)


@pytest.fixture(scope="module")
def living(request: pytest.FixtureRequest) -> Iterator[Callable[[str, bool], Lived]]:
    """One house an engine; a new one after a kill that it did not survive."""
    houses: dict[str, Lived] = {}
    with ExitStack() as stack:

        def give(engine: str, spoilt: bool = False) -> Lived:
            if spoilt:
                houses.pop(engine, None)
            elif engine not in houses:
                path = Path(tempfile.mkdtemp(prefix="ops-kills-"))
                stack.callback(shutil.rmtree, path, ignore_errors=True)
                house = build(path, protect(engine, request, path / "data"), stack.enter_context(webhook()))
                back_up(house)
                told(house)
                houses[engine] = Lived(house)
            return houses.get(engine) or give(engine)

        yield give


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("number", range(tries(1)))
def test_what_is_killed_leaves_backups_whole_and_nothing_behind(
    living: Callable[..., Lived], engine: str, number: int
) -> None:
    lived = living(engine)
    try:
        _kill_one(lived, engine, number)
    except BaseException:
        living(engine, spoilt=True)
        raise


def _kill_one(lived: Lived, engine: str, number: int) -> None:
    random, house = chance(f"kill {engine} {number}"), lived.house
    verbs = verbs_of(house)
    # Daily runs have few tries: together the engines go through all of them.
    verb = verbs[(number + 2 * ENGINES.index(engine)) % len(verbs)]
    verb.prepare(house)
    before, words = standing(house), verb.words(house, random)
    began_after = max((row.turn or 0 for row in house.workspace().ledger.recent(limit=1)), default=0)
    command = start(house, *words)
    lasts_s = lived.lasts_s.get(verb.name, _AT_FIRST_S)
    watched = (house.base, house.path / "nas")
    starts = engine in verb.starts
    struck = strike(random, command.pid, lasts_s=lasts_s, watched=watched, starts=starts)
    status = command.wait(_ENDS_WITHIN_S)
    print(f"ops {' '.join(words)}: {struck}, exit status {status}\n{command.said}")
    killed = struck.itself and struck.signal == signal.SIGKILL

    def again(house: House) -> None:
        verb.over(house)
        began = time.monotonic()
        once_more = start(house, *words)
        ended = once_more.wait(_ENDS_WITHIN_S)
        lived.lasts_s[verb.name] = time.monotonic() - began
        assert ended in verb.fine, f"exit status {ended}: {once_more.said}"

    gone = before.copies if verb.removes else ()
    aftermath(
        house,
        before,
        kind=f"{struck.signal.name} of {struck.victim or 'nothing'} in {verb.name}",
        hit=bool(struck.victim),
        swept=killed,
        gone=gone,
        again=again,
        more=lambda: [
            *_ended_well(verb, struck, status, command),
            *verb.after(house),
            *_not_told(house, before, began_after),
        ],
        allowed=(*verb.plain, LEGACY),
    )
    verb.over(house)
    told(house)


def _not_told(house: House, before: Standing, began_after: int) -> list[str]:
    """Attempts that failed or were stopped, in which a rule should take interest, when nobody has heard of any."""
    newest: dict[str, Activity] = {}
    for row in house.workspace().ledger.recent(source="crm", limit=30):
        newest.setdefault(row.kind, row)
    due = [
        row
        for kind, row in newest.items()
        if (row.turn or 0) > began_after
        and row.status == FAILED
        # Who stops a restore of his own knows of it.
        and (kind in ("dump", "copy") or (kind == "restore" and CANCELLED not in row.meta))
    ]
    assert house.channel is not None
    if due:
        told(house)
    heard = [each for each in house.channel.texts[before.told :] if " crm: " in each]
    return [f"nobody was told of {row.kind}: {row.error}" for row in due if not heard and not _known(house, row)]


def _known(house: House, row: Activity) -> bool:
    """Whether it is an open incident of which everybody heard a moment ago, when it was the matter the last time."""
    alerts = AlertLedger(house.workspace().ledger)
    waits = {each.incident_id for each in alerts.outbox(limit=500) if each.error == IN_A_STORM}
    return any(
        each.rule == f"{row.kind}_failed" and each.told_at is None and each.id in waits
        for each in alerts.open_incidents()
    )


def _ended_well(verb: Verb, struck: Struck, status: int, command: Forked) -> list[str]:
    """It ended as it should, and said so in words of ours."""
    said, wrong = command.said, []
    if "Traceback" in _OF_PYTHONS_START.sub("", _OF_DAGSTERS_OWN.sub("", said)):
        wrong.append(f"a traceback: {said}")
    if struck.itself and struck.signal == signal.SIGKILL:
        return wrong
    if struck.itself:
        if status not in (_STOPPED, *verb.fine):
            wrong.append(f"exit status {status} after {struck.signal.name}: {said}")
        if status == _STOPPED and "untouched" not in said:
            wrong.append(f"it does not say what is safe: {said}")
    elif status < 0 or status > 3:
        wrong.append(f"exit status {status} after {struck}: {said}")
    elif status not in verb.fine and not any(mark in said for mark in (_MARKS_OF_ATTENTION if status == 1 else _MARKS)):
        wrong.append(f"it failed without a word: {said}")
    return wrong
