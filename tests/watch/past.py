"""Sources with a month behind them: attempts in the ledger, and the newest restore points in real stores."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ops_pipelines.proof import Gap
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.verdict import Outcome, Verdict
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.unit.vaults import publish, verdict

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Past:
    """What happened to the sources of a house, whose clock is the test's."""

    def __init__(self, house: Workspace, clock: StoppedClock) -> None:
        self._house, self._clock, self.now = house, clock, clock.at
        self._number = 0

    def backed_up(
        self,
        source: str,
        ago: timedelta,
        *,
        outcome: Outcome | None = "verified",
        size: int = 10_000_000,
        took_s: float = 20,
        proved_after: timedelta = timedelta(minutes=10),
        gaps: Sequence[Gap] = (),
        real: bool = False,
    ) -> str:
        """A dump of 90 seconds that long ago, its copy in `nas`, and its proof.

        Args:
            real: it lies in the stores as well.
        """
        made_at = self.now - ago
        self._number += 1
        backup_id = f"{made_at:%Y%m%dT%H%M%SZ}-{self._number:04x}"
        self._clock.at = made_at
        with self._house.ledger.activity("dump", source=source) as entry:
            self._clock.at += timedelta(seconds=90)
            entry.backup_id, entry.store = backup_id, "local"
            entry.meta = {"size_bytes": size, "plain_bytes": 3 * size, "rows": 2050, "number": self._number}
        with self._house.ledger.activity("copy", source=source, backup_id=backup_id, store="nas"):
            self._clock.at += timedelta(seconds=3)
        if real:
            self._publish(source, backup_id, made_at)
        if outcome is not None:
            self._prove(source, backup_id, outcome, made_at + proved_after, took_s, gaps, real=real)
        self._clock.at = self.now
        return backup_id

    def failed(self, source: str, ago: timedelta, kind: str = "dump") -> None:
        """An attempt that failed."""
        self._clock.at = self.now - ago
        with self._house.ledger.activity(kind, source=source) as entry:
            entry.fail("connection refused")
        self._clock.at = self.now

    def month(self, source: str, *, days: int = 30) -> None:
        """A backup each day that grew, with one bad day and a gap of two; the newest three lie in the stores."""
        for day in range(days, 0, -1):
            ago, size = day * DAY - 20 * HOUR, 10_000_000 + (days - day) * 150_000
            if day in (days // 3, days // 3 + 1):
                self.failed(source, ago)
                continue
            outcome: Outcome = "bad" if day == days // 2 else "verified"
            self.backed_up(source, ago, outcome=outcome, size=size, took_s=20 + day % 5, real=day <= 3)

    def _publish(self, source: str, backup_id: str, at: datetime) -> None:
        nas = self._house.stores["nas"]
        assert isinstance(nas, DirectoryStore)
        manifest = publish(self._house.local, backup_id, source=source, at=at)
        nas.receive(manifest, self._house.local.directory(source, backup_id), lambda _size: None)

    def _prove(
        self, source: str, backup_id: str, outcome: Outcome, at: datetime, took_s: float, gaps: Sequence[Gap],
        *, real: bool,
    ) -> None:  # fmt: skip
        found: Verdict = verdict(backup_id, outcome, at=at, store="nas").model_copy(
            update={
                "source": source, "number": self._number, "gaps": gaps, "finished_at": at + timedelta(seconds=took_s)
            }
        )  # fmt: skip
        if real:
            self._house.local.keep_verdict(found)
        self._clock.at = at
        with self._house.ledger.activity("verify", source=source, backup_id=backup_id, store="nas") as entry:
            self._clock.at += timedelta(seconds=took_s)
            entry.meta = {
                "outcome": outcome, "words": found.words, "reason": found.reason, "blames": "backup",
                "gaps": [str(gap) for gap in found.missing],
            }  # fmt: skip
            if outcome != "verified":
                entry.fail(found.reason)
