"""Which restore point, and which copy of it: what a user means by `--backup`, `--at`, `--from`."""

from collections.abc import Mapping
from datetime import datetime
from itertools import takewhile

from ops_pipelines.config.models import Config, UnknownSource
from ops_pipelines.errors import OpsError, StoreError
from ops_pipelines.vault.catalogue import Catalogue, Catalogues, RestorePoint, read_catalogue
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.registry import LOCAL
from ops_pipelines.vault.trust import Known, only_foreign
from ops_pipelines.workspace import Workspace

LATEST = "latest-verified"


def choose(
    workspace: Workspace,
    name: str,
    backup: str = LATEST,
    *,
    at: datetime | None = None,
    unverified: bool = False,
    store: str | None = None,
) -> RestorePoint:
    """The restore point a user means.

    One that was taken for safety, before its source was replaced, is meant only when it is named by its id: it holds
    what somebody wanted to be rid of.

    Args:
        backup: an id, or `latest-verified`.
        at: the newest that was taken at this time or before.
        unverified: one that was never verified will do.
        store: the only one to look into beside the local store; another that is away is then not waited for.
    Raises:
        StoreError: there is none.
    """
    catalogue = _catalogue(workspace, name, store)
    taken = catalogue.moments(workspace.clock.now())
    if backup != LATEST:
        point = catalogue.find(backup)
    else:
        fitting = [
            each
            for each in catalogue.points
            if not each.safety
            and (at is None or _by(taken[each.id], at))
            and (each.verified or (unverified and not _condemned(each)))
        ]
        point = fitting[-1] if fitting else None
    if point is None:
        raise _nothing(workspace.stores, name, catalogue, backup, at)
    return point


def _by(taken: datetime | None, at: datetime) -> bool:
    """Whether it was taken by then, as far as anybody knows."""
    return taken is not None and taken <= at


def _catalogue(workspace: Workspace, name: str, store: str | None) -> Catalogue:
    if store is None:
        return workspace.catalogue(name)
    if store not in workspace.stores:
        raise StoreError(f"no store is called {store!r}", why=f"there are {', '.join(workspace.stores)}")
    stores = {each: workspace.stores[each] for each in {workspace.local.name: 0, store: 0}}
    return read_catalogue(stores, name, workspace.published(name), every_store=False)


def _condemned(point: RestorePoint) -> bool:
    return point.verdict is not None and point.verdict.outcome == "bad"


def _nothing(
    stores: Mapping[str, Store], name: str, catalogue: Catalogue, backup: str, at: datetime | None
) -> StoreError:
    when = f" taken at {at:%Y-%m-%d %H:%M} UTC or before" if at is not None else ""
    wanted = f"verified restore point{when}" if backup == LATEST else f"restore point {backup}"
    found = [f"looked in {', '.join(stores)}", *catalogue.messages]
    if not catalogue.points and (foreign := only_foreign(catalogue.strangers)):
        found.insert(1, foreign)
    older = [each for each in catalogue.points if not each.safety and (at is None or each.started_at <= at)]
    if backup == LATEST and older:
        found.insert(1, f"{len(older)} unverified ones exist, the newest is {older[-1].id}")
    elif catalogue.points:
        oldest = catalogue.points[0]
        found.insert(1, f"the oldest there is was taken {oldest.started_at:%Y-%m-%d %H:%M} UTC ({oldest.id})")
    if backup == LATEST and (named := [each.id for each in catalogue.points if each.safety]):
        found.append(
            f"safety restore points, taken before {name} was replaced, are used only when named: {', '.join(named)}"
        )
    if backup == LATEST and older:
        following = f"verify it: ops verify {name} --backup {older[-1].id}; or use it unverified: --unverified"
    else:
        following = f"ops list {name}, then name one: ops restore {name} --to … --backup ID"
    return StoreError(f"{name} has no {wanted}", why="; ".join(found), safe="nothing was changed", next=following)


def safety_since(local: Store, point: RestorePoint, known: Known) -> RestorePoint | None:
    """The newest restore point that was taken after this one because the source was about to be replaced."""
    points = read_catalogue({local.name: local}, point.manifest.source, known, every_store=False).points
    later = takewhile(lambda each: each.id != point.id, reversed(points))
    return next((each for each in later if each.safety), None)


def too_new(stores: Mapping[str, Store], point: RestorePoint, known: Known) -> list[str]:
    """What of a later time a newer version wrote beside this one, in words: the newest may be among it."""
    near = {each: stores[each] for each in {LOCAL: 0, **dict.fromkeys(point.stores)}}
    faults = read_catalogue(near, point.manifest.source, known, every_store=False).faults
    second = f"{point.started_at:%Y%m%dT%H%M%SZ}"  # ids begin with it
    later = {each.id: each.words for each in faults if each.problem == "newer" and each.id >= second}
    return [words for _, words in sorted(later.items())]


def choose_store(point: RestorePoint, store: str | None) -> str:
    """The store to fetch from: the one named, else the nearest copy that is not known to be damaged.

    Raises:
        StoreError: the one named has no copy.
    """
    if store is None:
        return next((each for each in point.stores if each not in point.damaged), point.stores[0])
    if store not in point.stores:
        raise StoreError(
            f"{point.id} is not in {store}", why=f"it is in {', '.join(point.stores)}", next="--from one of them"
        )
    return store


def require_source(config: Config, catalogues: Catalogues, name: str) -> None:
    """Raise UnknownSource for a name that `ops.yaml` does not have, and say what is left of it in the stores."""
    try:
        config.source(name)
    except UnknownSource as error:
        points = catalogues(name).points
        if not points:
            raise
        newest = points[-1]
        raise UnknownSource(
            f"{name} is not in ops.yaml any more, but {len(points)} restore points of it exist",
            why=f"the newest is {newest.id}, a {newest.manifest.kind} backup, in {', '.join(newest.stores)}; "
            f"its keys and its address were in ops.yaml ({error.why})",
            safe="nothing was changed",
            next=f"put {name} back under sources: (kind: {newest.manifest.kind}, its url and encrypt.identity), then "
            f"run this again; or do it with standard tools: ops restore {name} --print",
        ) from None


def sentence(error: OpsError) -> str:
    """What failed and why, in one line."""
    return f"{error.what}: {error.why}" if error.why else error.what
