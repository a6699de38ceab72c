"""Before the first byte: everything that would stop a restore, found at once, each with its remedy."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops_pipelines.clock import human_size
from ops_pipelines.config.models import Config
from ops_pipelines.engines.base import Contents, Target
from ops_pipelines.errors import CorruptCopy, OpsError, SafetyRefusal, StoreError
from ops_pipelines.places import Places
from ops_pipelines.recovery.choose import sentence
from ops_pipelines.recovery.verify import fingerprint_of
from ops_pipelines.vault import codec
from ops_pipelines.vault.reader import Copy


class NotReady(OpsError):
    """A restore was not begun; says everything that stands in its way."""


@dataclass(frozen=True)
class Ready:
    """What was found out on the way: the fingerprint, and what the selection means."""

    held: Contents
    only: Sequence[str]


def look_ahead(config: Config, places: Places, copy: Copy, to: str, only: Sequence[str]) -> Ready:
    """Open the copy's smallest part with the key, and look at the target, the programs and the disks.

    Args:
        to: a name beside the source, a URL or a folder.
        only: what the user selected, as typed.
    Raises:
        NotReady: something stands in the way; SafetyRefusal when that is what is in the target.
        CorruptCopy: the copy is damaged, as far as its small parts tell.
    """
    name, manifest = copy.manifest.source, copy.manifest
    engine = config.engine(name)
    problems: list[OpsError] = []
    held = _opened(copy, problems)
    picked: Sequence[str] = ()
    if held is not None and only:
        try:
            picked = engine.pick(held, manifest.engine, only)
        except OpsError as error:
            problems.append(error)
    problems += _target(places, engine, copy, to, whole=not only)
    if problems or held is None:
        raise _all_of(name, problems)
    return Ready(held, picked)


def _opened(copy: Copy, problems: list[OpsError]) -> Contents | None:
    """The fingerprint: reading it proves the key, the store and the copy's small parts."""
    source = copy.manifest.source
    try:
        return fingerprint_of(copy)
    except CorruptCopy as error:
        if error.check != "decrypt" or _have_the_key(copy):
            raise
        problems.append(
            OpsError(
                f"the key of {source} does not open this backup",
                why=f"it was encrypted for {', '.join(copy.manifest.recipients)}, encrypt.identity is another key",
                next="put the identity of one of these into encrypt.identity (ops.yaml, or the recovery kit)",
            )
        )
    except (StoreError, OpsError) as error:
        problems.append(error)
    return None


def _have_the_key(copy: Copy) -> bool:
    ours = {codec.public_key(identity) for identity in copy.identities()}
    return bool(ours & set(copy.manifest.recipients)) or "" in ours


def _target(places: Places, engine: Target, copy: Copy, to: str, *, whole: bool) -> list[OpsError]:
    manifest = copy.manifest
    ready = engine.readiness(to, manifest.engine, sum(part.plain_bytes for part in manifest.parts))
    problems = [*ready.problems, *(ready.of_the_whole if whole else ())]
    where = _existing(places.scratch)
    free = shutil.disk_usage(where).free
    if free < ready.work_bytes:
        problems.append(
            OpsError(
                f"{where} has {human_size(free)} free",
                why=f"the decrypted backup needs {human_size(ready.work_bytes)} there while it is restored",
                next="make room, or put base (ops.yaml) on a larger disk",
            )
        )
    return problems


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def _all_of(name: str, problems: Sequence[OpsError]) -> OpsError:
    if len(problems) == 1:
        first = problems[0]
        first.safe = first.safe or "nothing was changed"
        return first
    kind = SafetyRefusal if any(isinstance(each, SafetyRefusal) for each in problems) else NotReady
    return kind(
        f"{name} cannot be restored like this, for {len(problems)} reasons",
        why="".join(f"\n    {number}. {sentence(each)}" for number, each in enumerate(problems, 1)),
        safe="nothing was changed",
        next="".join(f"\n    {number}. {each.next}" for number, each in enumerate(problems, 1) if each.next),
    )
