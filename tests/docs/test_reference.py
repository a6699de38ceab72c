"""The reference pages say what the code says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.reference.pages import PAGES, REFERENCE

PACKAGE = Path(__file__).parents[2] / "ops_pipelines"
# Read by the programs that these are set for, never by us; PG* are libpq's own.
_NOT_OURS = {"HOME", "LC_ALL", "PGHOST", "PGPASSFILE", "PGPORT"}


@pytest.mark.parametrize("name", PAGES)
def test_a_committed_page_is_the_generated_one(name: str) -> None:
    committed = (REFERENCE / name).read_text(encoding="utf-8")
    assert committed == PAGES[name](), "run: make -o install reference"


def test_every_environment_variable_that_is_read_is_on_its_page() -> None:
    page = (REFERENCE / "environment.md").read_text(encoding="utf-8")
    read = {name for path in PACKAGE.rglob("*.py") for name in _read(ast.parse(path.read_text(encoding="utf-8")))}
    assert {"OPS_CONFIG", "RETENTION_DAYS", "SENTRY_DSN"} <= read, "the search finds them"
    assert {name for name in read - _NOT_OURS if f"`{name}`" not in page} == set()


def _read(tree: ast.AST) -> Iterator[str]:
    """Names in capitals that are looked up in something called `environ`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            holder, named = node.func.value, node.args[0]
        elif isinstance(node, ast.Subscript):
            holder, named = node.value, node.slice
        else:
            continue
        if ast.unparse(holder).endswith("environ") and isinstance(named, ast.Constant) and str(named.value).isupper():
            yield str(named.value)
