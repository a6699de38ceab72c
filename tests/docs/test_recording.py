"""The recording of a newcomer's first commands is what the README shows, and each command ends with the next one."""

import re

from tests.docs.pages import PROJECT
from tools.recording import BEGIN, CAST, COMMANDS, END, shown

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_readme_shows_what_was_recorded() -> None:
    assert README.partition(BEGIN)[2].partition(END)[0] == shown(CAST)


def test_each_command_of_it_ends_with_the_next_one() -> None:
    typed = re.findall(r"^\$ (.*)$", shown(CAST), re.MULTILINE)
    told = re.findall(r"^next: (.*)$", shown(CAST), re.MULTILINE)
    assert (typed, told) == ([*COMMANDS], [*COMMANDS[1:], "ops up"])
