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
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class Unreadable:
    """Stands where a value could not be read, which is told already."""


class _TooDeep(Exception):
    """Values nested deeper than any file of ours: line and top-level key."""


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
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.mistakes.append(Mistake(mark.line + 1 if mark else 1, "", f"not valid YAML: {error.problem}"))
        return document
    except yaml.YAMLError as error:
        document.mistakes.append(Mistake(1, "", f"not valid YAML: {error}"))
        return document
    try:
        document.values = _value(root, (), document, environ) if root is not None else {}
    except _TooDeep as error:
        line, key = error.args
        document.mistakes.append(Mistake(line, key, "an alias contains itself, or the nesting is too deep"))
    return document


def _value(node: yaml.Node, path: Path, document: Document, environ: Mapping[str, str]) -> Any:
    line = node.start_mark.line + 1
    document.lines.setdefault(path, line)
    if len(path) > _DEEPEST:
        raise _TooDeep(line, str(path[0]))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document, environ)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), document, environ) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode) and "${" in node.value:
        return _interpolate(node, path, document, environ)
    try:
        return yaml.SafeLoader("").construct_object(node)
    except yaml.MarkedYAMLError as error:
        document.mistakes.append(Mistake(line, _dotted(path), f"not valid YAML: {error.problem}"))
    except ValueError as error:
        document.mistakes.append(Mistake(line, _dotted(path), str(error)))
    return Unreadable()


def _mapping(node: yaml.MappingNode, path: Path, document: Document, environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        line = key_node.start_mark.line + 1
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
