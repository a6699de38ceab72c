"""Every rule opens one incident, is told with cause and next command, and resolves: each is played from begin to end.

What was seen makes `docs/reference/alerts.md`.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.config.drills import Drills
from ops_pipelines.config.probes import Probes
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.ledger.models import Incident
from ops_pipelines.starting import start_command
from ops_pipelines.watch.alerts.message import Message
from ops_pipelines.watch.alerts.rules import RULES
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.stores.conftest import moto, new_bucket  # noqa: F401 - a fixture
from tests.watch.conftest import MakeHouse
from tests.watch.receivers import Webhook, webhook
from tests.watch.scenarios import SCENARIOS, World

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "alerts.md"
# Played where the rest of it is: a server that a drill has stopped.
ELSEWHERE = dict.fromkeys(("outage_left", "drill_outage"), "tests/drill/test_outages.py")
EVERY = [rule for part in RULES.values() for rule in part if rule not in ELSEWHERE]
OF_A_BACKUP = {
    "dump_failed", "copy_failed", "verify_failed", "verify_inconclusive", "older_backup_bad", "needs_a_look",
    "restore_failed", "retention_refused",
}  # fmt: skip
_SEEN: dict[str, Message] = {}


@pytest.fixture(scope="module")
def ears() -> Iterator[Webhook]:
    """One webhook for all of them."""
    with webhook() as found:
        yield found


@pytest.fixture
def world(
    request: pytest.FixtureRequest, make_house: MakeHouse, ears: Webhook, clock: StoppedClock, tmp_path: Path
) -> World:
    """A house with probes and drills; the store is a bucket that locks where the rule is about locks."""
    ears.bodies.clear()
    config = make_house({"slack": ears.url}).config.model_copy(update={"probes": Probes()})
    if "drill" in request.node.callspec.id:
        config = config.model_copy(update={"drills": Drills()})
    if "lock" in request.node.callspec.id:
        clock.at = Workspace(config).clock.now() + timedelta(days=25)
        bucket = new_bucket(request.getfixturevalue("moto"), "key", "secret", lock=True)
        config = config.model_copy(update={"stores": {"nas": bucket.settings(object_lock=timedelta(days=30))}})
    return World(Workspace(config, clock), clock)


def open_about(world: World, rule: str) -> list[Incident]:
    found = [row for row in AlertLedger(world.house.ledger).open_incidents() if row.rule == rule]
    return sorted(found, key=lambda row: row.store)


@pytest.mark.parametrize("rule", EVERY)
def test_a_trouble_is_one_incident_from_its_begin_to_its_end(
    rule: str, world: World, ears: Webhook, tmp_path: Path
) -> None:
    world.watched()
    begun = {row.rule for row in open_about(world, rule)}
    assert begun <= {"rpo", "drill_overdue"}, "never backed up and never drilled are troubles already"
    trouble = SCENARIOS[rule](world)
    next(trouble)
    world.watched()
    world.watched()
    incident, *others = open_about(world, rule)
    assert not {incident.store} & {each.store for each in others}, "one for each source and store"
    told = [row for row in AlertLedger(world.house.ledger).outbox() if row.incident_id == incident.id]
    assert [row.event for row in told].count("opened") == 1, "once, however often it is looked at"
    message = Message.model_validate(told[-1].message)
    assert message.subject in ears.texts
    assert message.cause
    assert message.next
    assert message.event_lines[0].startswith(f"[OPS] {rule} ")
    assert (" backup=20" in message.event_lines[0]) == (rule in OF_A_BACKUP)
    next(trouble, None)
    world.watched()
    assert open_about(world, rule) == []
    end = next(row for row in AlertLedger(world.house.ledger).outbox() if row.incident_id == incident.id)
    assert end.event == "resolved"
    assert Message.model_validate(end.message).subject in ears.texts
    # How Dagster is started depends on the machine; the page has a server's way.
    advice = message.next.replace(str(tmp_path), "/mnt").replace(start_command(), "systemctl restart ops-daemon")
    _SEEN[rule] = message.model_copy(update={"next": advice})


def test_the_published_page_lists_every_rule_as_it_was_seen() -> None:
    if len(_SEEN) < len(EVERY):
        pytest.skip("the page is about all rules, and only some were played")
    made = page()
    if os.environ.get("OPS_WRITE_ALERTS"):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made


def page() -> str:
    """The page, from what was told."""
    lines = [_HEAD]
    for part, rules in RULES.items():
        lines += [f"## {_PARTS[part][0]}", "", _PARTS[part][1], ""]
        lines += ["| rule | holds while | told as, for example | next |", "|---|---|---|---|"]
        for rule, sentence in rules.items():
            seen = _SEEN.get(rule)
            example = f"{seen.headline} | {_next(seen.next)}" if seen else f"{ELSEWHERE[rule]} |"
            lines.append(f"| `{rule}` | {sentence} | {example} |")
        lines.append("")
    return "\n".join(lines)


def _next(advice: str) -> str:
    typed = advice.startswith(("ops ", "df ")) and " on its host: " not in advice
    return f"`{advice}`" if typed else advice


_PARTS = {
    "attempts": ("Attempts", "From the ledger: what failed, until the next attempt of the kind goes well."),
    "probes": ("Servers and services", "From what `probes:` found within `web.stale_after`."),
    "daemon": ("Ourselves", "Told by `ops alerts run` in a crontab and by `ops serve`, which do not need the daemon."),
    "configuration": (
        "Configuration",
        "From `ops.yaml` as it lies there now; runs and watchers use what was last good.",
    ),
    "standing": ("How things stand", "From the stores, by the clock: these hold when nothing runs at all."),
    "runs": ("Dagster", "From Dagster's own storage, where our code had no chance to write anything down."),
    "drill": ("Drills", "Told by the drill itself, through the channels that would be used for a real outage."),
}
_HEAD = """# Every alert rule

<!-- Made by: OPS_WRITE_ALERTS=1 .venv/bin/python -m pytest tests/watch/test_every_rule.py -->

A rule's condition opens one incident for each source and store, is told once, again when it gets worse and after
`alerts.repeat_after`, and resolves by itself. `ops alerts list` shows what is open. Each line was told in a run of
`tests/watch/test_every_rule.py`, test `[rule]`, which plays the trouble and its end.

Every subject begins with `[OPS]`, and every message, in every channel, ends with one line for filters; a message that
lists several incidents with a line for each of those it lists. The rule comes first, then `source`, `phase`, `store`,
`backup`, `last_good`, `severity`, `status`, `incident`. The order never changes, what is not known is left out, and a
value that is not one plain word is in quotes, as in JSON:

```text
[OPS] dump_failed source=crm phase=dump severity=error status=opened incident=20261121T021500Z-00000001
```

`status` is `opened`, `escalated`, `repeated`, `resolved` or `test`: a filter that must not ring at the end of a trouble
asks for `[OPS] verify_failed` without `status=resolved`.
"""
