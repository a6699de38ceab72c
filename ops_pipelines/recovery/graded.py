"""Which grade a proof of a restore point should reach by `ops.yaml`, and which one a restore allows."""

from ops_pipelines.engines.base import Contents, Restored
from ops_pipelines.engines.source import Source
from ops_pipelines.proof import Grade, grade_of, leaves_out, weaker
from ops_pipelines.vault.manifest import Manifest


def configured_grade(source: Source, manifest: Manifest | None = None) -> Grade:
    """What a proof should compare: what `fingerprint` says; of folders above `verify_all_below` a sample.

    Args:
        manifest: the restore point; without one, of any size.
    """
    return source.grade(manifest.engine if manifest is not None else None)


def not_noticed(source: Source) -> str:
    """What proofs of a source will be called and not notice, by its `fingerprint`; empty where they compare all."""
    return leaves_out(configured_grade(source))


def reached_grade(held: Contents, restored: Restored) -> Grade:
    """What can be compared: what the fingerprint recorded, as far as it was restored."""
    grade = grade_of(held.level)
    return "sample" if restored.sampled and weaker("sample", grade) else grade
