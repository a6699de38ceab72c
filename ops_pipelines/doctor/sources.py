"""Questions about one source: can it be reached, dumped, proved, opened again, and how old is its recovery point?"""

import io
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.config.cadence import cadence_warning
from ops_pipelines.doctor.configuration import skew
from ops_pipelines.doctor.question import ASKED_FOR, Answer, Measure, Question, attention, failed, well
from ops_pipelines.doctor.shared import Shared
from ops_pipelines.doctor.signatures import ours
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.errors import CorruptCopy, Inconclusive, OpsError
from ops_pipelines.recovery.graded import not_noticed
from ops_pipelines.sandbox import isolation
from ops_pipelines.vault import codec
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.reader import Copy
from ops_pipelines.watch.health import EXIT_STATUS, SourceHealth, source_health
from ops_pipelines.watch.three_two_one import judge

RECOVERY_POINT = "recovery point"
# Dumps grow: with a quarter more than the last one, the next has room.
_GROWTH = 1.25


def questions(shared: Shared, name: str) -> Iterator[Question]:
    """About one source."""
    config = shared.workspace.config
    source = config.source(name)
    dumped, proved = config.dumped_here(name), config.proving_site(name) == config.here
    here = kind_of(source.kind).on_disk
    limit = ASKED_FOR + source.limits.connect
    asked = {
        **({"readable" if here else "server": _reached} if dumped else {}),
        **({"programs": _programs} if dumped or proved else {}),
        **({"isolation": _isolation} if proved else {}),
        **({"rights": _rights} if dumped else {}),
        **({"clock": _clock} if dumped and not here else {}),
        **({"disk": _disk} if dumped else {}),
        **({"key": _key} if proved else {}),
        **({} if source.verify.auto else {"proofs": _proofs}),
        **({"fingerprint": _fingerprint} if not_noticed(source) else {}),
        "signatures": ours,
        RECOVERY_POINT: _recovery_point,
        "3-2-1": _three_two_one,
    }
    for title, ask in asked.items():
        yield Question(name, title, partial(ask, shared, name), limit)


def _reached(shared: Shared, name: str) -> Answer:
    probe = shared.probe(name)
    kind = shared.workspace.config.source(name).kind
    version = probe.server_version if kind_of(kind).on_disk else f"{kind} {probe.server_version.split(' (')[0]}"
    size = Measure(f"{name}_size", probe.size_bytes, "B")
    return well(f"{version}, {human_size(probe.size_bytes)}", size)


def _programs(shared: Shared, name: str) -> Answer:
    examiner = shared.workspace.config.source(name).examiner(name)
    try:
        return well(examiner.programs())
    except Inconclusive as error:
        return failed(f"{error.what}: {error.why}", error.next)


def _isolation(shared: Shared, name: str) -> Answer:
    """Whether what a backup holds can do nothing to this machine while it is proved."""
    try:
        way = isolation.chosen(shared.workspace.config.source(name).verify.isolation)
    except Inconclusive as error:
        return failed(f"{error.what}: {error.why}", error.next)
    if weak := isolation.warning(way):
        return attention(weak, *filter(None, [isolation.standing().cure]))
    return well("proofs run in a sandbox")


def _rights(shared: Shared, name: str) -> Answer:
    lacks = shared.workspace.config.source(name).examiner(name).lacks()
    if not lacks:
        return well("may read everything that is dumped")
    fix = [line for each in lacks for line in each.grant.splitlines()]
    said = "; ".join(each.what for each in lacks)
    return (failed if any(each.needed for each in lacks) else attention)(said, *fix)


def _clock(shared: Shared, name: str) -> Answer:
    there, here = shared.workspace.config.source(name).examiner(name).clock(), shared.workspace.clock.now()
    return skew(there - here, "the server", name) if there is not None else well("the server does not tell its own")


def _disk(shared: Shared, name: str) -> Answer:
    """Room below `base` for the next dump, and for a scratch server that takes it in."""
    newest = shared.catalogue(name).newest
    try:
        live = shared.probe(name).size_bytes
    except OpsError:
        live = 0  # that has a line of its own; the last backup tells as well
    if newest is None and not live:
        return attention("neither the source nor a backup of it says how much is needed", f"ops doctor {name}")
    manifest = newest.manifest if newest is not None else None
    dump = (manifest.size_bytes if manifest is not None else live) * _GROWTH
    # Parts are decrypted beside the server that takes them in.
    scratch = (max(live, manifest.plain_bytes) + manifest.plain_bytes if manifest is not None else 2 * live) * _GROWTH
    base = shared.workspace.config.base
    free = shutil.disk_usage(_existing(base)).free
    said = f"{human_size(free)} free, a dump takes {human_size(dump)}, a scratch restore {human_size(scratch)}"
    measure = Measure(f"{name}_room", free, "B")
    if free < dump:
        return failed(said, f"df -h {base}; ops prune --apply", measures=[measure])
    if free < dump + scratch:
        return attention(f"{said}: not both", f"df -h {base}; ops prune --apply", measures=[measure])
    return well(said, measure)


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def _key(shared: Shared, name: str) -> Answer:
    """Open the newest backup in each store, really."""
    workspace, catalogue = shared.workspace, shared.catalogue(name)
    encrypt = workspace.config.source(name).encrypt
    if encrypt is not None and encrypt.identity is None:
        return attention(
            "no identity here: nothing can be verified or restored on this machine",
            "name one below encrypt.identity, or verify on another machine",
        )
    newest: dict[str, RestorePoint] = {store: point for point in catalogue.points for store in point.stores}
    if not newest:
        return _tried_key(shared, name)
    for store, point in newest.items():
        _open(shared, point, store)
    opened = ", ".join(f"{point.id} in {store}" for store, point in newest.items())
    if len({point.id for point in newest.values()}) == 1:
        opened = f"{next(iter(newest.values())).id} in {', '.join(newest)}"
    return well(f"{'opens' if encrypt is not None else 'not encrypted; reads'} {opened}")


def _tried_key(shared: Shared, name: str) -> Answer:
    """Without a backup: encrypt something, and open it again."""
    encrypt, sealed, opened = shared.workspace.config.source(name).encrypt, io.BytesIO(), io.BytesIO()
    if encrypt is None:
        return well("not encrypted")
    codec.encode(io.BytesIO(b"trial"), sealed, encrypt.age)
    sealed.seek(0)
    try:
        codec.decode(sealed, opened, shared.workspace.identities(name), encrypted=True, compressed=True)
    except CorruptCopy:
        return failed(
            "encrypt.identity opens nothing that is encrypted for encrypt.age",
            "add its public key to encrypt.age (age-keygen -y KEYFILE), or name the right identity",
        )
    return well("opens what it will encrypt; there is no backup yet")


def _open(shared: Shared, point: RestorePoint, store: str) -> None:
    """Read, hash, decrypt and decompress the smallest part. Raises OpsError."""
    name, manifest = point.manifest.source, point.manifest
    smallest = min(manifest.parts, key=lambda part: part.size_bytes)
    copy = Copy(shared.workspace.stores[store], manifest, lambda: shared.workspace.identities(name))
    try:
        copy.data(smallest.role)
    except CorruptCopy as error:
        ours = {codec.public_key(identity) for identity in shared.workspace.identities(name)}
        if error.check == "decrypt" and not ours & {*manifest.recipients, ""}:
            raise OpsError(
                f"the key does not open {point.id} in {store}",
                why=f"it was encrypted for {', '.join(manifest.recipients)}",
                next="put the identity of one of these into encrypt.identity (it is in the recovery kit)",
            ) from None
        error.next = error.next or f"ops verify {name} --backup {point.id}; then: ops backup {name}"
        raise


def _recovery_point(shared: Shared, name: str) -> Answer:
    health = source_health(shared.workspace, name, shared.catalogue(name))
    measures = []
    if health.age is not None:
        warn, rpo = health.warn_after.total_seconds(), health.rpo.total_seconds()
        measures.append(Measure(f"{name}_recovery_point", round(health.age.total_seconds()), "s", warn, rpo))
    # Drills have a line of their own.
    found = next((each for each in health.situations if each.kind not in _DRILLS), None)
    if found is None:
        return well(_proved(health), *measures)
    said = f"{found.state}: {found.cause}{f'; safe: {found.safe}' if found.safe else ''}"
    return Answer(("OK", "ATTENTION", "FAILED")[EXIT_STATUS[found.state]], said, (found.next,), measures)


_DRILLS = ("never_drilled", "drill_failed", "drill_overdue")


def _proved(health: SourceHealth) -> str:
    if health.age is None:
        return health.cause
    words = health.proof.words if health.proof is not None else "verified"
    return f"{words}, {human_duration(health.age)} old, rpo {human_duration(health.rpo)}"


def _fingerprint(shared: Shared, name: str) -> Answer:
    """Less than `full` is a choice, and no trouble; but who reads this should know what it means."""
    source = shared.workspace.config.source(name)
    return well(f"{source.fingerprint}: {not_noticed(source)}")


def _proofs(shared: Shared, name: str) -> Answer:
    """Backups that are not proved one by one: what that means to the RPO."""
    source, timezone = shared.workspace.config.source(name), shared.workspace.config.timezone
    said = cadence_warning(source, timezone)
    return attention(said, f"ops verify {name}") if "within rpo" not in said else well(said)


def _three_two_one(shared: Shared, name: str) -> Answer:
    workspace = shared.workspace
    point = shared.catalogue(name).recovery_point
    found = judge(name, point, workspace.config.source(name).copies, workspace.stores, workspace.unseen(name, point))
    if point is None:
        return attention("nothing is verified yet", f"ops backup {name}")
    if found.holds:
        return well(f"{len(found.copies)} copies on {', '.join(found.media)}, off-site: {', '.join(found.offsite)}")
    return attention("missing " + "; ".join(found.missing), *found.advice)
