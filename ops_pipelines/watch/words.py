"""What a report says first of all sources, and what it says last of each: the same words in every format."""

from collections.abc import Sequence

from ops_pipelines.language.said import counted, said, worded
from ops_pipelines.watch.charts import Tone
from ops_pipelines.watch.health import SourceHealth


def headline(found: Sequence[SourceHealth]) -> tuple[str, Tone]:
    """How all of them are, in one sentence, and its colour."""
    broken = [health.source for health in found if not health.ok and not health.rpo_holds]
    if broken:
        told = counted(
            "{count} of {all} sources cannot hold their RPO: {names}.",
            "{count} of {all} sources cannot hold their RPO: {names}.",
            len(broken), all=len(found), names=broken,
        )  # fmt: skip
        return told, "bad"
    damaged = [health.source for health in found if not health.ok]
    if damaged:
        told = counted(
            "The source holds its RPO, and something is broken in: {names}.",
            "All {count} sources hold their RPO, and something is broken in: {names}.",
            len(found), names=damaged,
        )  # fmt: skip
        return told, "bad"
    partly = [
        said("{name} ({words})", name=health.source, words=worded(health.proof.words))
        for health in found
        if health.proof and not health.proof.whole
    ]
    if partly:
        told = counted(
            "The source holds its RPO. Less than everything was compared: {names}.",
            "All {count} sources hold their RPO. Less than everything was compared: {names}.",
            len(found), names=partly,
        )  # fmt: skip
        return told, "warn"
    told = counted(
        "The source holds its RPO: it was restored and compared.",
        "All {count} sources hold their RPO: each was restored and compared.",
        len(found),
    )
    return told, "good"


def remarks(health: SourceHealth) -> list[str]:
    """What was not compared, what the newest dump warned of, what cannot be read, and who else's backups are there."""
    found: list[str] = [
        said("not compared: {gap}", gap=str(gap)) for gap in (health.proof.gaps if health.proof is not None else ())
    ]
    found += [said("{about}: {what}", about=health.newest, what=note) for note in health.notes if note not in found]
    found += [said("problem: {what}", what=problem) for problem in health.problems]
    return [*found, *([health.foreign] if health.foreign else [])]
