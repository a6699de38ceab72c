"""What the documents' tests read out of a page: its blocks of code, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_INDENTED = re.compile(r"^ {8}(\S.*)$", re.MULTILINE)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_SHELLS = ("sh", "bash", "console", "")
_ENDS = {";", "&&", "||", "|", "&", "(", ")", ">", ">>", "<", "<<<"}


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in their order."""
    return [Block(found["language"], found["text"]) for found in _BLOCK.finditer(page)]


def command_lines(page: str) -> Iterator[list[str]]:
    """The words after `ops` of every command line, in blocks for a shell and in code within a sentence.

    A block is fenced, or indented below a step of a list.
    """
    indented = _INDENTED.findall(_BLOCK.sub("", page))
    for text in [*(block.text for block in blocks(page) if block.language in _SHELLS), *indented]:
        for line in text.replace("\\\n", " ").splitlines():
            yield from _commands(line.strip().removeprefix("$ "))
    for span in _SPAN.findall(_BLOCK.sub("", page)):
        yield from _commands(span.replace(r"\|", "|"))


def _commands(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        return  # an apostrophe of a sentence: no command
    command: list[str] = []
    for word in [*words, ";"]:
        if word in _ENDS:
            if arguments := _of_ops(command):
                yield arguments
            command = []
        else:
            command.append(word)


def _of_ops(words: list[str]) -> list[str]:
    if words[:2] == ["sudo", "-u"]:
        words = words[3:]
    while words and (words[0] == "sudo" or re.fullmatch(r"[A-Z_]+=.*", words[0])):
        words = words[1:]
    return words[1:] if words and (words[0] == "ops" or words[0].endswith("bin/ops")) else []
