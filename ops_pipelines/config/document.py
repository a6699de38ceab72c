"""YAML text to plain values that remember their lines. Knows YAML, knows no key of `ops.yaml`."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from ops_pipelines.config.errors import Mistake

Path = tuple[str | int, ...]
_DEEPEST = 20
_MOST_VALUES = 100_000
"""More than any file of ours has; a few aliases of aliases make billions."""
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What no file name, no address and no terminal takes."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class Unreadable:
    """Stands where a value could not be read, which is told already."""


class _TooMuch(Exception):
    """More values, or nested deeper, than in any file of ours: line, top-level key, and which of both."""


class _Loader(yaml.SafeLoader):
    """Composes no deeper than a file of ours goes: PyYAML recurses, and Python's stack is short."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node and what is below it."""
        self._depth += 1
        if self._depth > _DEEPEST + 2:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="the nesting is too deep", problem_mark=mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


@dataclass
class Document:
    """The values of a YAML file, the line of every key, and what was wrong with it so far."""

    values: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def line_of(self, path: Path) -> int:
        """The line of the key, or of its nearest parent that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def value_at(self, path: Path) -> Any:
        """The value that stands there, or None."""
        value = self.values
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value


def parse(text: str, environ: Mapping[str, str] = os.environ) -> Document:
    """Parse YAML, replacing `${VAR}` and `${VAR:-default}` in its values from `environ`."""
    document = Document()
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.mistakes.append(Mistake(mark.line + 1 if mark else 1, "", f"not valid YAML: {error.problem}"))
        return document
    except yaml.YAMLError as error:
        document.mistakes.append(Mistake(1, "", f"not valid YAML: {error}"))
        return document
    try:
        document.values = _value(root, (), document, environ) if root is not None else {}
    except _TooMuch as error:
        document.mistakes.append(Mistake(*error.args))
    if document.values is None and not document.mistakes:  # `null`: the same as nothing
        document.values = {}
    return document


def plain(text: str) -> list[Any]:
    """The values of every document in a YAML text that is none of ours, without their lines.

    Raises:
        yaml.YAMLError: it is not valid, or makes more than any file that people write.
    """
    loader, found = _Loader(text), []
    try:
        while loader.check_node():
            if (node := loader.get_node()) is not None:
                _refuse_much(node)
                found.append(loader.construct_document(node))
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise yaml.YAMLError(f"not a valid value of its type: {error}") from None
    return found


def _refuse_much(root: yaml.Node) -> None:
    """Count values as often as aliases repeat them: what walks over them would take as long."""
    waiting, count = [root], 0
    while waiting:
        node = waiting.pop()
        count += 1
        if count > _MOST_VALUES:
            raise yaml.MarkedYAMLError(problem="aliases make too many values", problem_mark=node.start_mark)
        if isinstance(node, yaml.MappingNode):
            waiting += [each for pair in node.value for each in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _value(node: yaml.Node, path: Path, document: Document, environ: Mapping[str, str]) -> Any:
    line = node.start_mark.line + 1
    document.lines.setdefault(path, line)
    if len(path) > _DEEPEST:
        raise _TooMuch(line, str(path[0]), "an alias contains itself, or the nesting is too deep")
    if len(document.lines) > _MOST_VALUES:
        raise _TooMuch(line, str(path[0]), f"more than {_MOST_VALUES:,} values: do aliases repeat aliases?")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document, environ)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), document, environ) for index, item in enumerate(node.value)]
    if found := _NO_TEXT.search(node.value):
        document.mistakes.append(Mistake(line, _dotted(path), f"text without the character U+{ord(found[0]):04X}"))
        return Unreadable()
    if isinstance(node, yaml.ScalarNode) and "${" in node.value:
        return _interpolate(node, path, document, environ)
    try:
        return yaml.SafeLoader("").construct_object(node)
    except yaml.MarkedYAMLError as error:
        document.mistakes.append(Mistake(line, _dotted(path), f"not valid YAML: {error.problem}"))
    except ValueError as error:
        document.mistakes.append(Mistake(line, _dotted(path), str(error)))
    except (LookupError, AttributeError, TypeError):  # PyYAML on a tag that says another type than the text is of
        document.mistakes.append(Mistake(line, _dotted(path), f"not valid YAML: {node.value!r} is no {node.tag}"))
    return Unreadable()


def _mapping(node: yaml.MappingNode, path: Path, document: Document, environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or _NO_TEXT.search(key_node.value):
            document.mistakes.append(Mistake(line, _dotted(path), "a key is a plain word"))
            continue
        key = key_node.value
        if key in values:
            first = document.lines[(*path, key)]
            document.mistakes.append(Mistake(line, _dotted((*path, key)), f"given twice, first on line {first}"))
            continue
        document.lines[(*path, key)] = line
        values[key] = _value(value_node, (*path, key), document, environ)
    return values


def _interpolate(node: yaml.ScalarNode, path: Path, document: Document, environ: Mapping[str, str]) -> str:
    def replaced(match: re.Match[str]) -> str:
        name, default = match.groups()
        value = environ.get(name) or default
        if value is None:
            line = node.start_mark.line + 1
            example = f"${{{name}:-default}}"
            document.mistakes.append(
                Mistake(line, _dotted(path), f"the environment variable {name} is not set", example)
            )
            return match[0]
        return value

    return _VARIABLE.sub(replaced, node.value)


def _dotted(path: Path) -> str:
    return ".".join(str(step) for step in path)
