"""The 3-2-1 rule: three copies of the data, on two media, one of them off-site. A pure judgement.

Counted is what a disaster could go back to: the live data itself, on `disk`, and every store that holds the newest
verified restore point with a copy that was not proved bad, on the store's `medium` (the local store's is `disk`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.stores.base import Store

COPIES, MEDIA = 3, 2
LIVE_MEDIUM = "disk"


@dataclass(frozen=True)
class ThreeTwoOne:
    """How a source stands to the rule.

    Attributes:
        recovery_point: the newest verified restore point, whose copies were counted.
        copies: where the data is, the live data first.
        missing: which part of the rule does not hold, in words.
        advice: what to change in `ops.yaml` or to type, a line for each.
    """

    recovery_point: str | None
    copies: Sequence[str]
    media: Sequence[str]
    offsite: Sequence[str]
    missing: Sequence[str]
    advice: Sequence[str]

    @property
    def holds(self) -> bool:
        """Whether all three parts hold."""
        return not self.missing


def judge(
    name: str,
    point: RestorePoint | None,
    configured: Sequence[str],
    stores: Mapping[str, Store],
    unseen: Sequence[str] = (),
) -> ThreeTwoOne:
    """How a source stands to the rule.

    Args:
        name: the source.
        point: its newest verified restore point.
        configured: the stores its `copies` names.
        stores: every store, by name.
        unseen: copies on the disk of another machine, in words.
    """
    sound = [each for each in point.stores if each not in point.damaged] if point is not None else []
    copies = [f"{name} itself", *unseen, *sound]
    media = sorted({LIVE_MEDIUM, *(stores[each].medium for each in sound)})
    offsite = [each for each in sound if stores[each].offsite]
    missing = [
        *([f"{COPIES} copies: there are {len(copies)} ({', '.join(copies)})"] if len(copies) < COPIES else []),
        *([f"{MEDIA} media: all of it is on {media[0]}"] if len(media) < MEDIA else []),
        *(["1 off-site: no copy is"] if not offsite else []),
    ]
    advice: list[str] = []
    if point is None:
        advice.append(f"nothing of {name} is verified, so no copy counts; type: ops backup {name}")
    elif missing:
        absent = [each for each in configured if each not in sound]
        advice += [f"{each} has no sound copy of {point.id}; type: ops copy {name} --to {each}" for each in absent]
        kept = [stores[each] for each in (*sound, *absent)]
        advice += _additions(name, kept)
    return ThreeTwoOne(point.id if point is not None else None, copies, media, offsite, missing, advice)


def _additions(name: str, kept: Sequence[Store]) -> list[str]:
    """What would still be missing if every configured copy were there."""
    advice = []
    if not any(store.offsite for store in kept):
        advice.append(
            f"add a store with offsite: true below stores: (an S3 bucket, say), and name it in copies of {name}"
        )
    elif len(kept) + 1 < COPIES:
        advice.append(f"add another store below stores:, and name it in copies of {name}")
    if len({LIVE_MEDIUM, *(store.medium for store in kept)}) < MEDIA:
        advice.append("put one copy on another medium, and say so at its store: medium: nas")
    return advice
