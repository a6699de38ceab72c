"""The guided restore: which point, what of it, where to; then what will happen; then the button."""

import shlex
from collections.abc import Sequence
from datetime import datetime

from ops_pipelines.config.models import Config
from ops_pipelines.watch.history import Made, restore_points
from ops_pipelines.watch.snapshots import Seen, snapshots
from ops_pipelines.web.operations import restored_below
from ops_pipelines.web.pages.environment import Visit, render
from ops_pipelines.workspace import Workspace

_OFFERED = 60


def restore_page(workspace: Workspace, name: str, visit: Visit) -> str:
    """The page as HTML.

    Args:
        name: a source of `ops.yaml`.
        visit: asks for `backup`, `only` (a line each) and `to`; with `preview`, what these would do is shown.
    Raises:
        LedgerError.
    """
    config, now, asked = workspace.config, workspace.clock.now(), visit.asked
    with workspace.ledger.session() as session:
        [snapshot] = snapshots(session, [name], Seen)
        known = restore_points(session, name)
    wanted = asked.get("backup", "")
    points = [each for turn, each in enumerate(known) if turn < _OFFERED or each.id == wanted]
    named = next((each for each in points if each.id == wanted), None)
    point = named or next(iter(points), None)
    only = [line.strip() for line in asked.get("only", "").splitlines() if line.strip()]
    to = asked.get("to", "").strip() or _beside(config, name, now)
    return render(
        visit,
        "restore.html",
        now,
        refresh_s=0,
        name=name,
        on_disk=restored_below(config, name) is not None,
        points=points,
        point=point,
        only=only,
        to=to,
        # One that was named and is gone is chosen anew: nothing else is restored in its place.
        preview=bool(asked.get("preview")) and point is not None and (named is not None or not wanted),
        command=_command(name, point, only, to) if point is not None else "",
        took_s=snapshot.seen.restore_s if snapshot.seen is not None else None,
        rto=config.sources[name].rto,
    )


def _beside(config: Config, name: str, now: datetime) -> str:
    """A name that is hardly taken."""
    beside, folder = f"{name}_{now:%Y%m%d_%H%M}", restored_below(config, name)
    return str(folder / beside) if folder is not None else beside


def _command(name: str, point: Made, only: Sequence[str], to: str) -> str:
    """The same in a terminal."""
    return shlex.join(
        ["ops", "restore", name, "--backup", point.id, "--to", to, *(w for each in only for w in ("--only", each))]
    )
