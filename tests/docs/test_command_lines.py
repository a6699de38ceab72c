"""Every `ops` command that a page tells to type exists, with the options it is typed with."""

from pathlib import Path

import pytest

from tests.docs.pages import PAGES, PROJECT, command_lines
from tools.reference.commands import every_command, named

COMMANDS = set(every_command())
GROUPS = {words[:1] for words in COMMANDS if len(words) > 1}
FOUND = {page: [*command_lines(page.read_text(encoding="utf-8"))] for page in PAGES}


def mistake(words: list[str]) -> str:
    """What is wrong with a command line; nothing when it would be run."""
    if words[0] == "--as-dagster":
        return ""  # the command of an installed machine has it: deploy/systemd/ops.sh
    if words[0].startswith("-"):
        return "" if words in (["--help"], ["--version"]) else "no such option of ops"
    verb = tuple(words[:2]) if tuple(words[:2]) in COMMANDS else tuple(words[:1])
    if verb not in COMMANDS | GROUPS:
        return "no such command"
    if len(words) == len(verb):
        return ""  # the command as such is meant
    try:
        named(verb).make_context(" ".join(("ops", *verb)), words[len(verb) :])
    except Exception as error:  # typer's own copy of click is not public: its errors have no name here
        return str(getattr(error, "message", error)) or type(error).__name__
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_command_of_a_page_can_be_typed(page: Path) -> None:
    wrong = {" ".join(words): said for words in FOUND[page] if (said := mistake(words))}
    assert wrong == {}


def test_what_cannot_be_typed_is_noticed() -> None:
    page = "Type `ops restore crm --too x`.\n\n```sh\nX=1 ops bakup crm && ops list --json > x  # why\n```\n"
    assert [mistake(words) != "" for words in command_lines(page)] == [True, False, True]
    assert sum(len(found) for found in FOUND.values()) > 100, "and they are found at all"
