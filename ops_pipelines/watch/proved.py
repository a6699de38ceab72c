"""How much of a source is proved: the grade that its newest proof reached, against the one that is configured."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from ops_pipelines.engines.source import Source
from ops_pipelines.language.said import Words
from ops_pipelines.proof import BACK_UP, Gap, Grade
from ops_pipelines.recovery.graded import configured_grade
from ops_pipelines.vault.catalogue import RestorePoint

_NAMED = 3


class Proved(BaseModel):
    """What the proof of a source's recovery point says, and what it does not.

    Attributes:
        words: what the proof is called; faces show these and no others.
        reached: what was compared; None in a verdict from before grades.
        configured: what `fingerprint:` asks for now.
        gaps: what was not compared although it was asked for, each with its cure.
        weaker: less was compared than is configured: somebody should look.
        whole: everything was compared: it may be shown as plain good.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    backup_id: str
    words: Words
    reached: Grade | None
    configured: Grade
    gaps: Sequence[Gap]
    weaker: bool
    whole: bool

    @property
    def next(self) -> str:
        """What closes the gaps, each cure once, and then a backup that profits from it; else where to read of them."""
        cures = list(dict.fromkeys(gap.cure for gap in self.gaps if gap.cure and not gap.by_another_backup))
        more = [f"{len(cures) - _NAMED} more, see ops status --json"] if len(cures) > _NAMED else []
        again = f"{BACK_UP} {self.source}"
        if cures:
            return f"{'; '.join([*cures[:_NAMED], *more])}; then: {again}"
        return again if any(gap.cure for gap in self.gaps) else f"ops list {self.source}"


def proved(source: Source, point: RestorePoint | None) -> Proved | None:
    """How much the proof of a restore point says; None where there is none.

    Args:
        point: the source's recovery point.
    """
    if point is None or point.verdict is None:
        return None
    verdict = point.verdict
    configured = configured_grade(source, point.manifest)
    gaps = verdict.short_of(configured)
    return Proved(
        source=point.manifest.source,
        backup_id=point.id,
        words=verdict.words,
        reached=verdict.grade,
        configured=configured,
        gaps=gaps,
        weaker=bool(gaps),
        whole=verdict.whole,
    )
