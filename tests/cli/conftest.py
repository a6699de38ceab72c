"""A folder with an `ops.yaml` whose source nobody can reach, and a ledger of a month that the test wrote."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ops_pipelines.clock import new_id
from ops_pipelines.ledger.ledger import Ledger
from tests.sample import StoppedClock

HOUR = timedelta(hours=1)


class Month:
    """Attempts at `crm` in the past, as the verbs write them; `now` is the time that the test runs at."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, datetime.now(timezone.utc)
        self._clock = StoppedClock(self.now)
        (folder / "base").mkdir(mode=0o700)
        self.ledger = Ledger(f"sqlite:///{folder / 'base' / 'ledger.sqlite'}", clock=self._clock)

    def backed_up(self, hours_ago: float, *, size: int = 1000, outcome: str = "verified", took_s: int = 20) -> str:
        """A dump of five seconds, a copy in `nas`, and its proof, one right after the other."""
        self._clock.at = self.now - hours_ago * HOUR
        backup_id = new_id(self._clock.at)
        with self.ledger.activity("dump", source="crm") as entry:
            self._clock.at += timedelta(seconds=5)
            entry.backup_id, entry.store, entry.meta = (
                backup_id,
                "local",
                {"size_bytes": size, "plain_bytes": 3 * size, "rows": 7},
            )
        with self.ledger.activity("copy", source="crm", backup_id=backup_id, store="nas"):
            self._clock.at += timedelta(seconds=1)
        with self.ledger.activity("verify", source="crm", backup_id=backup_id, store="nas") as entry:
            self._clock.at += timedelta(seconds=took_s)
            entry.meta = {"outcome": outcome, "words": outcome, "reason": f"it is {outcome}", "blames": "backup"}
            if outcome != "verified":
                entry.fail(outcome)
        return backup_id

    def failed(self, hours_ago: float) -> None:
        """A dump that failed."""
        self._clock.at = self.now - hours_ago * HOUR
        with pytest.raises(ValueError), self.ledger.activity("dump", source="crm"):
            raise ValueError("no")


@pytest.fixture
def month(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Month:
    """The folder is the current one."""
    (tmp_path / "source.url").touch(mode=0o600)
    (tmp_path / "source.url").write_text("postgresql://127.0.0.1:1/crm", encoding="utf-8")
    (tmp_path / "ops.yaml").write_text(
        "base: base\nstores: {nas: {kind: directory, path: nas}}\n"
        "sources: {crm: {kind: postgres, url: {file: source.url}, copies: [nas], rpo: 24h}}\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    found = Month(tmp_path)
    if not timedelta(minutes=2) < found.now - found.now.replace(hour=0, minute=0) < 24 * HOUR - timedelta(minutes=2):
        pytest.skip("the day changes while it runs, and what was today is yesterday")
    return found
