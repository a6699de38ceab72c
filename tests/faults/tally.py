"""What the long run tried and found, counted by kind of fault and engine: `python -m tests.faults.tally FILE.jsonl`.

Each look at an aftermath adds a line to the file that OPS_FAULTS_TALLY names; without it nothing is kept.
"""

import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

COLUMNS = ("tries", "in mid-work", "lost", "false verified", "false bad", "leaks", "other")


@dataclass
class Tried:
    """One fault, and what was found after it.

    Attributes:
        kind: what was done, for instance `KILL of restic in backup`.
        hit: it met work that was under way.
        lost: restore points that were there and are not.
        false_verified: verdicts that call something whole that is not.
        false_bad: verdicts that call something bad that is whole.
        leaks: processes, directories, locks, rows and decrypted bytes that nobody owns.
        other: whatever else is not as it should be.
    """

    kind: str
    engine: str
    hit: bool = True
    lost: list[str] = field(default_factory=list)
    false_verified: list[str] = field(default_factory=list)
    false_bad: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Everything that was found, in words."""
        named = {name: value for name, value in asdict(self).items() if isinstance(value, list)}
        return [f"{name}: {each}" for name, found in named.items() for each in found]


def note(tried: Tried) -> None:
    """Add it to the file of this run, if there is one; several processes may."""
    if path := os.environ.get("OPS_FAULTS_TALLY"):
        with Path(path).open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(asdict(tried)) + "\n")


def read(path: Path) -> list[Tried]:
    """What a run noted."""
    return [Tried(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def counted(every: Iterable[Tried]) -> Mapping[tuple[str, str], Counter[str]]:
    """Counts by kind and engine."""
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for each in every:
        numbers = (1, each.hit, *map(len, (each.lost, each.false_verified, each.false_bad, each.leaks, each.other)))
        found[each.kind, each.engine].update(dict(zip(COLUMNS, map(int, numbers), strict=True)))
    return found


def table(every: Sequence[Tried]) -> str:
    """A Markdown table of the counts, and below it everything that was found."""
    counts = counted(every)
    lines = [f"| kind | engine | {' | '.join(COLUMNS)} |", "|---|---|" + "---:|" * len(COLUMNS)]
    total: Counter[str] = sum(counts.values(), Counter())
    for (kind, engine), numbers in [*sorted(counts.items()), (("all", "all"), total)]:
        lines.append(f"| {kind} | {engine} | {' | '.join(str(numbers[column]) for column in COLUMNS)} |")
    found = [f"* {each.kind}, {each.engine}: {problem}" for each in every for problem in each.problems()]
    return "\n".join([*lines, "", *found])


def main() -> int:
    """Write the table beside the file and print it; 1 when anything was found."""
    path = Path(sys.argv[1])
    every = read(path) if path.exists() else []
    path.with_suffix(".md").write_text(table(every) + "\n", encoding="utf-8")
    sys.stdout.write(f"{table(every)}\n{path.with_suffix('.md')}\n")
    return int(any(each.problems() for each in every))


if __name__ == "__main__":
    sys.exit(main())
