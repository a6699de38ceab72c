"""What a report says first of all sources, and what it says last of each: the same words in every format."""

from collections.abc import Sequence

from ops_pipelines.watch.charts import Tone
from ops_pipelines.watch.health import SourceHealth


def headline(found: Sequence[SourceHealth]) -> tuple[str, Tone]:
    """How all of them are, in one sentence, and its colour."""
    broken = [health.source for health in found if not health.ok and not health.rpo_holds]
    if broken:
        return f"{len(broken)} of {len(found)} sources cannot hold their RPO: {', '.join(broken)}.", "bad"
    damaged = [health.source for health in found if not health.ok]
    if damaged:
        return f"All {len(found)} sources hold their RPO, and something is broken in: {', '.join(damaged)}.", "bad"
    partly = [f"{health.source} ({health.proof.words})" for health in found if health.proof and not health.proof.whole]
    if partly:
        said = f"All {len(found)} sources hold their RPO. Less than everything was compared: {', '.join(partly)}."
        return said, "warn"
    return f"All {len(found)} sources hold their RPO: each was restored and compared.", "good"


def remarks(health: SourceHealth) -> list[str]:
    """What was not compared, what the newest dump warned of, what cannot be read, and who else's backups are there."""
    found = [f"not compared: {gap}" for gap in (health.proof.gaps if health.proof is not None else ())]
    found += [f"{health.newest}: {note}" for note in health.notes if note not in found]
    found += [f"problem: {problem}" for problem in health.problems]
    return [*found, *([health.foreign] if health.foreign else [])]
