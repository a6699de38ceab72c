"""Pages about what is written in files: `ops.yaml` and `manifest.json`, from their models."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ops_pipelines.config.models import Config
from ops_pipelines.config.schema import config_schema
from ops_pipelines.settings.common import Settings
from ops_pipelines.settings.secrets import SecretRef
from ops_pipelines.settings.values import format_duration
from ops_pipelines.vault.manifest import Manifest, manifest_schema
from tools.reference.markdown import code, page, sentence, table

_YAML = """
Every key of `ops.yaml`. A key that is not here is a mistake, and `ops check` names its line. Paths are relative to the
file. `${VAR}` in a value is replaced by the environment variable; so is `${VAR:-default}`. For editors:
[ops.schema.json](ops.schema.json), which `ops schema config` prints.

| type | written as |
|---|---|
| duration | `90s`, `30m`, `24h`, `35d`, `2w` |
| size | `10GiB`, `500MB`, or bytes |
| secret | `{env: NAME}` or `{file: path}`; plain text where it holds no password |
| name | small letters, digits and `_`, a letter first |
| cron line | five fields, in `timezone` |

A bold key has to be given.
"""
_MANIFEST = """
A restore point is complete when its `manifest.json` stands under its final name. Readers ignore keys they do not know
and refuse a `version` they do not know. The schema: [manifest.schema.json](manifest.schema.json), which
`ops schema manifest` prints. What lies beside it is told in [formats](../explanation/formats.md).
"""


def configuration_page() -> str:
    """`ops.yaml`: a section for each model, in the order in which they are met from the top."""
    schema = config_schema()
    sections = [_section("Top level", Config, schema["properties"], skip=())]
    for path, model in _below(Config, ""):
        name, properties = _heading(path, model), schema["$defs"][model.__name__]["properties"]
        skip = tuple(Settings.model_fields) if issubclass(model, Settings) and model is not Settings else ()
        sections.append(_section(name, model, properties, skip=skip))
    return page("ops.yaml", _YAML, *sections)


def manifest_page() -> str:
    """`manifest.json`."""
    schema = manifest_schema()
    sections = [_section("Top level", Manifest, schema["properties"], skip=())]
    for path, model in _below(Manifest, ""):
        sections.append(_section(code(path), model, schema["$defs"][model.__name__]["properties"], skip=()))
    return page("manifest.json", _MANIFEST, *sections)


def _heading(path: str, model: type[BaseModel]) -> str:
    kind = _kind(model)
    return f"{code(path)} with {code('kind: ' + get_args(kind.annotation)[0])}" if kind is not None else code(path)


def _kind(model: type[BaseModel]) -> FieldInfo | None:
    """The key that says which of several models this is, where there is one."""
    kind = model.model_fields.get("kind")
    return kind if kind is not None and get_args(kind.annotation) else None


def _section(name: str, model: type[BaseModel], properties: Mapping[str, Any], *, skip: tuple[str, ...]) -> str:
    told, attributes = _docstring(model)
    keys = [
        (field.alias or name, field)
        for name, field in model.model_fields.items()
        if name not in skip and field is not _kind(model)
    ]
    keys.sort(key=lambda each: not each[1].is_required())
    rows = [
        (
            f"**{code(key)}**" if field.is_required() else code(key),
            _type(properties[key]),
            _default(field),
            _meaning(field, attributes.get(key, "")),
        )
        for key, field in keys
    ]
    also = "All keys of [`defaults`](#settings), and:" if skip else ""
    return "\n\n".join(
        block
        for block in (
            f"## {name} {{ #{model.__name__.lower()} }}",
            told,
            also,
            table(("key", "type", "default", "meaning"), rows),
        )
        if block
    )


def _below(
    model: type[BaseModel], path: str, seen: set[type[BaseModel]] | None = None
) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every model that is part of another, once, with the path at which it is met first."""
    seen = seen if seen is not None else {model, SecretRef}
    for name, field in model.model_fields.items():
        for part, steps in _models(field.annotation):
            if part not in seen:
                seen.add(part)
                at = f"{path}.{field.alias or name}{steps}".lstrip(".")
                yield at, part
                yield from _below(part, at, seen)


def _models(annotation: Any, steps: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation, steps
    inner = get_args(annotation)
    origin = getattr(annotation, "__origin__", None)
    if origin is not None and inspect.isclass(origin) and issubclass(origin, Mapping):
        inner, steps = inner[1:], steps + ".<name>"
    elif origin is not None and inspect.isclass(origin) and issubclass(origin, (tuple, list)):
        steps += "[]"
    for each in inner:
        yield from _models(each, steps)


def _docstring(model: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """What a model's docstring says of it, and of its attributes."""
    told, _, listed = (inspect.getdoc(model) or "").partition("Attributes:")
    attributes = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", listed, flags=re.MULTILINE)
    return told.strip(), {name: " ".join(text.split()) for name, text in attributes}


def _type(schema: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one line for each kind of value
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {"SecretRef": "secret", "JsonValue": "any value"}.get(name, f"[keys](#{name.lower()})")
    if variants := schema.get("anyOf") or schema.get("oneOf"):
        names = list(dict.fromkeys(_type(each) for each in variants if each.get("type") != "null"))
        return "size" if set(names) == {"whole number", "text"} else " or ".join(names)
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    if "enum" in schema:
        return ", ".join(code(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if schema.get("type") == "object":
        held = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties", {}))
        return f"{_type(held)}, by name" if isinstance(held, Mapping) and held else "any keys"
    if "smhdw" in schema.get("pattern", ""):
        return "duration"
    if "62}" in schema.get("pattern", ""):
        return "name"
    if schema.get("format") in ("path", "date", "date-time"):
        return {"path": "path", "date": "day", "date-time": "time"}[schema["format"]]
    if schema.get("examples") == ["0 2,8,14,20 * * *"]:
        return "cron line"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    return words.get(schema.get("type", ""), "anything") + _bounds(schema)


def _bounds(schema: Mapping[str, Any]) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", {'above' if 'exclusiveMinimum' in schema else 'from'} {low}"
    return ""


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.is_required() or value in (None, (), "", {}) or isinstance(value, Enum):
        return ""
    if isinstance(value, SecretRef):
        return code(f"{{env: {value.env}}}")
    if isinstance(value, BaseModel):
        given = {key: each for key, each in value.model_dump(exclude_none=True).items() if each not in ((), {}, None)}
        return code(f"{{env: {value.env}}}") if set(given) == {"env"} else ""  # type: ignore[attr-defined]
    if isinstance(value, timedelta):
        days = value / timedelta(days=1)
        return code(f"{days:.0f}d" if days > 2 and days.is_integer() else format_duration(value))
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, str) and "*" in value:
        return code(f'"{value}"')
    return code(value.as_posix() if isinstance(value, Path) else value)


def _meaning(field: FieldInfo, told: str) -> str:
    text = field.description or told
    if field.examples and not field.is_required() and field.description:
        return text
    if field.examples:
        example = code(json.dumps(field.examples[0], ensure_ascii=False))
        return f"{text}; for example {example}" if text else f"for example {example}"
    return sentence(text) if told and not field.description else text
