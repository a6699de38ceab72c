"""`python -m tools.mutants`: make each named change on a copy of the tree, and see its tests fail."""

import sys
from pathlib import Path

from tools.mutants.named import CHANGES, Change
from tools.mutants.tree import Ran, Tests, changed, copied

_LIMIT_S = 300


def main() -> int:
    """Print what became of each; the exit status tells whether every one was caught."""
    missed = 0
    with copied() as tree, Tests(tree) as tests:
        every = sorted({test for change in CHANGES for test in change.tests})
        if (ran := tests.run(every, limit_s=10 * _LIMIT_S)).failed:
            print(f"these tests fail without any change:\n{ran.said}")
            return 2
        for change in CHANGES:
            ran = tried(change, tree, tests)
            missed += not ran.failed
            print(f"{'caught' if ran.failed else 'MISSED'}  {change.says}", flush=True)
            if "-v" in sys.argv:
                print(ran.said)
    return 1 if missed else 0


def tried(change: Change, tree: Path, tests: Tests) -> Ran:
    """What its tests say of a change."""
    path = tree / change.path
    with changed(path, applied(change, path.read_text("utf-8"))):
        return tests.run(change.tests, limit_s=_LIMIT_S)


def applied(change: Change, text: str) -> str:
    """The file's text with the change. Raises ValueError when its place is not there once: the list is out of date."""
    if text.count(change.find) != 1:
        raise ValueError(f"{change.path} has {text.count(change.find)} times: {change.find!r}")
    return text.replace(change.find, change.put)


if __name__ == "__main__":
    sys.exit(main())
