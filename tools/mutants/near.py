"""Which tests run which line of the copy."""

import json
import math
import os
import sqlite3
import subprocess
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import accumulate
from pathlib import Path

from tools.mutants.tree import PYTHON

_LINES = """
select file.path, context.context, line_bits.numbits
from line_bits join file on file.id = line_bits.file_id join context on context.id = line_bits.context_id
"""
_AT_MOST_S = 60.0
Near = dict[tuple[str, int], list[tuple[str, float]]]
"""By file and line the tests that run it and how many seconds each takes, the quickest first, for a minute of them."""


def near_tests(tree: Path, tests: Sequence[str]) -> Near:
    """Run these tests once, and see what each of them runs. Raises RuntimeError when one fails."""
    data, took = tree / "near.coverage", tree / "near.json"
    coverage: list[str | Path] = [
        tree / PYTHON,
        "-m",
        "coverage",
        "run",
        f"--rcfile={os.devnull}",
        f"--data-file={data}",
        "--source=ops_pipelines",
    ]
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tools.mutants.contexts", *tests]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OPS_MUTANTS_TOOK": str(took)}
    done = subprocess.run([*coverage, *pytest], cwd=tree, env=env, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"these fail without any change: {done.stdout.decode()[-2000:]}")
    seconds: dict[str, float] = json.loads(took.read_text("utf-8"))
    quickest = sorted((each for each in seconds if math.isfinite(seconds[each])), key=lambda each: seconds[each])
    found: dict[tuple[str, int], set[str]] = {}
    for path, line, test in _read(data):
        found.setdefault((str(Path(path).relative_to(tree)), line), set()).add(test)
    # What runs while a module is imported is of no test: each of them may tell.
    return {
        place: _within([each for each in quickest if each in names] or quickest, seconds)
        for place, names in found.items()
    }


def _within(tests: Sequence[str], seconds: Mapping[str, float]) -> list[tuple[str, float]]:
    """The first of them; one at least."""
    passed = list(accumulate(seconds[each] for each in tests))
    return [(each, seconds[each]) for each in tests[: max(1, bisect_right(passed, _AT_MOST_S))]]


def _read(data: Path) -> Iterator[tuple[str, int, str]]:
    with closing(sqlite3.connect(data)) as opened:
        for path, test, bits in opened.execute(_LINES):
            for index, byte in enumerate(bits):
                yield from ((path, 8 * index + bit, test) for bit in range(8) if byte >> bit & 1)
