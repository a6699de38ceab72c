"""Events that were to run once, at a moment that has passed since the dump: no server takes them as they were.

One that is to be dropped once it has run (ON COMPLETION NOT PRESERVE) is not made at all, any other is made disabled.
Neither is an error to the client, and neither is a fault of the backup.
"""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from ops_pipelines.engines import definition
from ops_pipelines.engines.base import Finding
from ops_pipelines.engines.mysql.connection import Session

_ONCE = re.compile(r" ON SCHEDULE AT '([-\d: .]+)' ON COMPLETION (?:NOT )?PRESERVE ENABLE\b")
_HERE = "select event_name, status from information_schema.events where event_schema = database()"
# A zone that this server has no table of may be ahead of UTC by fourteen hours.
_PASSED = "select coalesce(convert_tz(%s, %s, '+00:00'), %s - interval 14 hour) <= utc_timestamp()"


@dataclass(frozen=True)
class Passed:
    """What became of such events in a restored database.

    Attributes:
        gone: they were not made.
        disabled: they were made, and are disabled.
    """

    gone: Set[str]
    disabled: Set[str]

    @property
    def findings(self) -> Sequence[Finding]:
        """What a human should know of it."""
        lines = [f"{what}: {', '.join(sorted(each))}" for what, each in self._by_fate() if each]
        why = "events whose moment has passed since the dump do not come back as they were"
        return [Finding("events", False, f"{why}; {'; '.join(lines)}", attention=True)] if lines else []

    @property
    def excused(self) -> Mapping[str, Sequence[str]]:
        """As in `Restored`."""
        return {f"event {name}": () for name in self.gone}

    def _by_fate(self) -> Iterator[tuple[str, Set[str]]]:
        yield "not made, since they were to be dropped after it", self.gone
        yield "disabled", self.disabled


def passed(opened: Session, objects: Mapping[str, str]) -> Passed:
    """Which of the source's events the restored database has no more, or disabled, because of the time.

    Args:
        opened: a session in the restored database.
        objects: the source's definitions, as in the fingerprint.
    """
    here = {str(name): str(status) for name, status in opened.rows(_HERE)}
    gone, disabled = set[str](), set[str]()
    for key, text in objects.items():
        kind, _, name = key.partition(" ")
        if kind != "event" or here.get(name) == "ENABLED":
            continue
        facts = definition.read(text)
        once = _ONCE.search(facts["sql"])
        if once is not None and opened.value(_PASSED, [once[1], facts["time_zone"], once[1]]):
            (disabled if name in here else gone).add(name)
    return Passed(gone, disabled)
