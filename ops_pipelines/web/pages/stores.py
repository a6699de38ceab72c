"""Every place where copies lie: how much, how much room is left, and for how long that will do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipelines.config.cadence import longest_interval
from ops_pipelines.config.models import Config
from ops_pipelines.vault.stores.registry import LOCAL
from ops_pipelines.watch.snapshots import CopiesSeen, Seen, snapshots
from ops_pipelines.web.pages.environment import Visit, render
from ops_pipelines.workspace import Workspace

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Kept:
    """One store.

    Attributes:
        free_bytes: left on its disk; None where nobody can know, as of a bucket.
        a_day_bytes: what the schedules write into it in a day.
        unreadable: sources whose copies there could not be read.
    """

    name: str
    medium: str
    offsite: bool
    sources: int
    copies: int
    size_bytes: int
    newest_at: datetime | None
    damaged: int
    free_bytes: int | None
    a_day_bytes: int
    unreadable: Sequence[str]

    @property
    def lasts(self) -> timedelta | None:
        """How long the room lasts when nothing is deleted; None where nobody knows."""
        if self.free_bytes is None or not self.a_day_bytes:
            return None
        return min(_DAY * (self.free_bytes / self.a_day_bytes), timedelta(days=3650))


def stores_page(workspace: Workspace, visit: Visit) -> str:
    """The page as HTML. Raises LedgerError."""
    config = workspace.config
    with workspace.ledger.session() as session:
        seen = [each.seen for each in snapshots(session, config.sources, Seen) if each.seen is not None]
    kept = [_kept(config, name, seen) for name in (LOCAL, *config.stores)]
    return render(visit, "stores.html", workspace.clock.now(), here="/stores", stores=kept)


def _kept(config: Config, name: str, seen: Sequence[Seen]) -> Kept:
    held: list[tuple[Seen, CopiesSeen]] = [(each, copy) for each in seen for copy in each.stores if copy.store == name]
    copies = [copy for _, copy in held]
    free = [copy.free_bytes for copy in copies if copy.free_bytes is not None]
    newest = [copy.newest_at for copy in copies if copy.newest_at is not None]
    return Kept(
        name=name,
        medium=copies[0].medium if copies else "",
        offsite=any(copy.offsite for copy in copies),
        sources=len(copies),
        copies=sum(copy.copies for copy in copies),
        size_bytes=sum(copy.size_bytes for copy in copies),
        newest_at=max(newest, default=None),
        damaged=sum(copy.damaged for copy in copies),
        free_bytes=min(free, default=None),
        a_day_bytes=sum(_a_day(config, each) for each, _ in held),
        unreadable=[each.source for each, copy in held if not copy.readable],
    )


def _a_day(config: Config, seen: Seen) -> int:
    if seen.newest is None:
        return 0
    return round(seen.newest.size_bytes * (_DAY / longest_interval(config.sources[seen.source].every, config.timezone)))
