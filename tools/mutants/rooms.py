"""What is changed by rule, and the quick tests that are near: without servers, but where nothing else tells."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Room:
    """A part of the code.

    Attributes:
        paths: files, and folders with all that is below them.
        tests: files and folders of tests that are quick and near.
    """

    paths: Sequence[str]
    tests: Sequence[str]

    def files(self, tree: Path) -> Iterator[Path]:
        """Its modules in a tree."""
        for each in self.paths:
            path = tree / each
            yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


ROOMS = {
    "redact": Room(["ops_pipelines/redact.py"], ["tests/unit/test_ground_floor.py"]),
    "lease": Room(["ops_pipelines/lease.py"], ["tests/unit/test_lease.py"]),
    "health": Room(
        ["ops_pipelines/watch/health.py"],
        [
            "tests/watch/test_health.py", "tests/clocks/test_rpo.py", "tests/clocks/test_wrong_clocks.py",
            "tests/upgrade/test_newer.py",
        ],
    ),
    "vault": Room(
        ["ops_pipelines/vault"],
        [
            "tests/unit/test_stores.py", "tests/unit/test_codec.py", "tests/unit/test_retention.py",
            "tests/unit/test_prune.py", "tests/unit/test_verdicts_together.py", "tests/unit/test_verdict_words.py",
            "tests/unit/test_openssl.py", "tests/unit/test_frames.py", "tests/drill/test_sign.py", "tests/vault",
            "tests/upgrade/test_newer.py", "tests/recovery/test_blame.py", "tests/unit/test_refusals_in_words.py",
        ],
    ),
    "recovery": Room(
        ["ops_pipelines/recovery"],
        [
            "tests/recovery/test_refuse.py", "tests/recovery/test_every_part.py", "tests/recovery/test_blame.py",
            "tests/recovery/test_lineage.py", "tests/recovery/test_differences.py", "tests/unit/test_comparison.py",
            "tests/unit/test_proof.py", "tests/unit/test_drift.py", "tests/sandbox/test_measured.py",
            "tests/recovery/test_small_houses.py", "tests/recovery/test_kits_in_trouble.py", "tests/engines/sqlite",
        ],
    ),
}  # fmt: skip
