"""`python -m tools.mutants.many`: change the code by rule, with Cosmic Ray, and list what no near test noticed.

It runs in an environment of its own (`requirements.txt` beside it); the tests run in a copy of the project's. Each
change is tried against those near tests that run its line, the quickest first. Lines that none of them runs are
counted, not tried: tests that need servers cover them, and are too dear to be run a thousand times.
"""

import argparse
import ast
import json
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

from tools.mutants.near import Near, near_tests
from tools.mutants.rooms import ROOMS, Room
from tools.mutants.tree import ROOT, Tests, changed, copied

# Of Cosmic Ray's, those that make a mistake somebody could have made, and two of our own.
_RULES = (
    "AddNot", "ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue",
    "Uncaught", "ReplaceComparisonOperator_Eq_NotEq", "ReplaceComparisonOperator_NotEq_Eq",
    "ReplaceComparisonOperator_Is_IsNot", "ReplaceComparisonOperator_IsNot_Is", "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_LtE_Lt", "ReplaceComparisonOperator_Gt_GtE", "ReplaceComparisonOperator_GtE_Gt",
    "NumberReplacer", "ZeroIterationForLoop", "ReplaceContinueWithBreak", "ReplaceBreakWithContinue",
    "ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_USub", "ReplaceBinaryOperator_Sub_Add",
    "ReplaceBinaryOperator_Add_Sub", "LeaveOut",
)  # fmt: skip


class LeaveOut:
    """A rule that Cosmic Ray lacks: a call, a refusal or an addition that stands by itself is left out."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Where it applies."""
        if node.type == "simple_stmt" and self._leaves(node.children[0]):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """The statement is `pass` instead."""
        first = node.children[0]
        left = get_ast("pass\n").children[0].children[0]
        left.prefix, left.parent = first.get_first_leaf().prefix, node
        node.children[0] = left
        return node

    def _leaves(self, first: Any) -> bool:
        if first.type == "expr_stmt":
            return first.children[1].type == "operator" and first.children[1].value in ("+=", "-=", "|=")
        return first.type in ("atom_expr", "power", "raise_stmt")


class Uncaught:
    """An exception is not caught. Cosmic Ray's own knows none that is named with its module."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Where it applies."""
        if node.type == "except_clause":
            for each in self._caught(node):
                yield each.start_pos, each.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """One that never comes is caught instead."""
        first, last = self._caught(node)[index].get_first_leaf(), self._caught(node)[index].get_last_leaf()
        while last is not first:
            last.value = last.prefix = ""
            last = last.get_previous_leaf()
        first.value = "ZeroDivisionError"
        return node

    def _caught(self, node: Any) -> Sequence[Any]:
        named = node.children[1]
        inside = named.children[1] if named.type == "atom" else named
        found: Sequence[Any] = inside.children[::2] if inside.type == "testlist_comp" else [inside]
        return found


_OURS = {"LeaveOut": LeaveOut, "Uncaught": Uncaught}


@dataclass(frozen=True)
class Mutant:
    """One change that can be made.

    Attributes:
        statement: the line on which its statement begins.
        nth: of the rule's places in the file.
    """

    path: str
    line: int
    statement: int
    rule: str
    nth: int


@dataclass(frozen=True)
class Tried:
    """What became of one."""

    mutant: Mutant
    fate: str
    before: str
    after: str
    said: str


def main() -> int:
    """Try a sample of each room, and write what survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rooms", nargs="*", choices=[[], *ROOMS], help="all of them unless named")
    parser.add_argument("--most", type=int, default=100, help="changes tried in each room")
    parser.add_argument("--after", type=int, default=0, help="this many in the order of the seed were tried before")
    parser.add_argument("--minutes", type=float, default=math.inf, help="for each room")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--to", type=Path, default=ROOT / "var/mutants")
    asked = parser.parse_args()
    asked.to.mkdir(parents=True, exist_ok=True)
    with copied() as tree, Tests(tree) as tests:
        for name in asked.rooms or ROOMS:
            room = _Room(tree, tests, name, ROOMS[name], seed=asked.seed)
            for found in room.tried(after=asked.after, most=asked.most, seconds=60 * asked.minutes):
                (asked.to / f"{name}.json").write_text(json.dumps(found, indent=1), "utf-8")
    return 0


class _Room:
    """The changes of one room, in an order that the seed gives: who tries fewer tries the first of the same."""

    def __init__(self, tree: Path, tests: Tests, name: str, room: Room, *, seed: int) -> None:
        self._tree, self._tests, self._name, self._seed = tree, tests, name, seed
        self._near = near_tests(tree, room.tests)
        every = [each for path in room.files(tree) for each in mutants_of(tree, path)]
        self._changes = len(every)
        self._reached = [each for each in every if _near(each, self._near)]
        random.Random(f"{seed} {name}").shuffle(self._reached)

    def tried(self, *, after: int, most: int, seconds: float) -> Iterator[Mapping[str, Any]]:
        """What is known after each."""
        print(f"{self._name}: {self._changes} changes, near tests run {len(self._reached)} of them", flush=True)
        end, fates = time.monotonic() + seconds, list[Tried]()
        for each in self._reached[after : after + most]:
            if time.monotonic() > end:
                break
            fates.append(self._try(each))
            if fates[-1].fate == "survived":
                print(
                    f"  {each.path}:{each.line} {each.rule}\n    - {fates[-1].before}\n    + {fates[-1].after}",
                    flush=True,
                )
            yield self._told(fates)
        print(f"{self._name}: {sum(each.fate == 'killed' for each in fates)} of {len(fates)} killed", flush=True)

    def _try(self, mutant: Mutant) -> Tried:
        path = self._tree / mutant.path
        text = path.read_text("utf-8")
        other = mutate_code(text, _operator(mutant.rule), mutant.nth)
        if other is None or other == text:
            return Tried(mutant, "none", "", "", "")
        pairs = zip(text.splitlines(), other.splitlines(), strict=False)
        before, after = next((pair for pair in pairs if pair[0] != pair[1]), ("", ""))
        with changed(path, other):
            near = _near(mutant, self._near)
            # One that never ends is caught; what it costs is all that this is about.
            ran = self._tests.run([test for test, _s in near], limit_s=30 + 5 * sum(seconds for _test, seconds in near))
        fate = "killed" if ran.failed else "survived"
        return Tried(mutant, fate, before.strip(), after.strip(), ran.said[-300:])

    def _told(self, fates: Sequence[Tried]) -> Mapping[str, Any]:
        counted = Counter(each.fate for each in fates)
        survived = [asdict(each) for each in fates if each.fate == "survived"]
        known = {"seed": self._seed, "changes": self._changes, "reached": len(self._reached), "tried": len(fates)}
        return {**known, **counted, "survivors": survived}


def mutants_of(tree: Path, path: Path) -> Iterator[Mutant]:
    """Every change of a file, but those of annotations and of what decorates a class, of which mypy tells."""
    text = path.read_text("utf-8")
    parsed = list(ast.walk(ast.parse(text)))
    annotations = [
        each for node in parsed for each in (getattr(node, "annotation", None), getattr(node, "returns", None))
    ]
    decorators = [each for node in parsed if isinstance(node, ast.ClassDef) for each in node.decorator_list]
    skipped = [_span(each) for each in (*annotations, *decorators) if isinstance(each, ast.expr)]
    statements = sorted(node.lineno for node in parsed if isinstance(node, ast.stmt))
    nodes = list(ast_nodes(get_ast(text)))
    for rule in _RULES:
        operator = _operator(rule)
        places = (place for node in nodes for place in operator.mutation_positions(node))
        for nth, (at, _end) in enumerate(places):
            if not any(begin <= at < end for begin, end in skipped):
                statement = max(line for line in (1, *statements) if line <= at[0])
                yield Mutant(str(path.relative_to(tree)), at[0], statement, rule, nth)


def _span(node: ast.expr) -> tuple[tuple[int, int], tuple[int, int]]:
    return (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)


def _near(mutant: Mutant, near: Near) -> Sequence[tuple[str, float]]:
    return near.get((mutant.path, mutant.line)) or near.get((mutant.path, mutant.statement)) or []


def _operator(rule: str) -> Any:
    return _OURS[rule]() if rule in _OURS else get_operator(f"core/{rule}")()


if __name__ == "__main__":
    sys.exit(main())
