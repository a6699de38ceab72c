"""Read an `ops.yaml` into a `Config`, or say everything that is wrong with it, with lines."""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ops_pipelines.compat.variables import with_old_names
from ops_pipelines.config import document
from ops_pipelines.config.errors import ConfigError, Mistake, NoConfig
from ops_pipelines.config.models import Config
from ops_pipelines.config.rules import broken_rules
from ops_pipelines.settings.common import Settings

DEFAULT_NAME = "ops.yaml"
_LARGEST = 4 * 2**20
"""No file of ours has more characters; a device has no end."""


def find_config(given: Path | None = None) -> Path:
    """The file to read: the one given, else `$OPS_CONFIG`, else `ops.yaml` here or in a parent."""
    if given is not None:
        return given.resolve()
    if named := os.environ.get("OPS_CONFIG"):
        return Path(named).resolve()
    for directory in (Path.cwd(), *Path.cwd().parents):
        if (directory / DEFAULT_NAME).is_file():
            return directory / DEFAULT_NAME
    return Path.cwd() / DEFAULT_NAME


def load_config(path: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> Config:
    """Read and validate the configuration.

    Args:
        path: the file; found by `find_config` when omitted.
        environ: where `${VAR}` and the overriding variables come from.
    Raises:
        ConfigError: every mistake in the file, each with its line.
        NoConfig: there is no such file.
    """
    path = find_config(path)
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise NoConfig(path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, [Mistake(1, "", f"cannot be read: {error}")]) from None
    if len(text) > _LARGEST:
        raise ConfigError(path, [Mistake(1, "", f"larger than {_LARGEST // 2**20} MiB: is it an ops.yaml?")])
    return config_of(text, path, environ)


def config_of(text: str, path: Path, environ: Mapping[str, str]) -> Config:
    """The configuration that a file's text makes. Arguments and errors as for `load_config`."""
    parsed = document.parse(text, environ)
    mistakes = list(parsed.mistakes)
    config = None
    if parsed.values is not None:

        def refuse(variable: str, expected: str, example: str) -> None:
            mistakes.append(Mistake(1, variable, expected, example))

        values = _prepared(with_old_names(parsed.values, environ, refuse))
        try:
            config = Config.model_validate(values)
        except ValidationError as error:
            reported = {(mistake.line, mistake.field) for mistake in mistakes}
            mistakes += [each for each in _translated(error, parsed) if (each.line, each.field) not in reported]
        else:
            mistakes += broken_rules(config, parsed)
    if mistakes or config is None:
        raise ConfigError(path, mistakes)
    absolute = _absolute(config, path.parent)
    absolute._file = path
    return absolute


def _prepared(values: Any) -> Any:
    """Fill each source's unset keys from `defaults`."""
    if not isinstance(values, dict):
        return values
    values = dict(values)
    defaults, sources = values.get("defaults"), values.get("sources")
    if isinstance(defaults, dict) and isinstance(sources, dict):
        known = {key: value for key, value in defaults.items() if key in Settings.model_fields}
        values["sources"] = {
            name: _inherited(known, source) if isinstance(source, dict) else source for name, source in sources.items()
        }
    return values


def _inherited(defaults: dict[str, Any], source: dict[str, Any]) -> dict[str, Any]:
    """A source's own keys win; of `limits` and `verify`, each key by itself."""
    merged = {**defaults, **source}
    for key in ("limits", "verify"):
        ours, theirs = defaults.get(key), source.get(key)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            merged[key] = {**ours, **theirs}
    return merged


def _translated(error: ValidationError, parsed: document.Document) -> Iterator[Mistake]:
    """Pydantic's complaints in our words; one inherited from `defaults` is told once, where it stands."""
    reported = set()
    for problem in error.errors(include_url=False, include_context=True):
        path = _place(problem["loc"])
        if path[:1] == ("sources",) and len(path) > 2 and problem["type"] not in ("missing", "extra_forbidden"):
            inherited = ("defaults", *path[2:])
            own = path if inherited in parsed.lines else path[:3]
            path = inherited if own not in parsed.lines and inherited[:2] in parsed.lines else path
        mistake = _mistake(path, problem, parsed)
        if problem["type"] == "too_short" and problem["input"]:
            continue  # what is in it was refused: that is told by itself
        if (mistake.line, mistake.field, mistake.expected) not in reported:
            reported.add((mistake.line, mistake.field, mistake.expected))
            yield mistake


def _place(loc: tuple[int | str, ...]) -> document.Path:
    """Where a complaint stands in the file: without the steps that pydantic adds for its own machinery."""
    path = tuple(step for step in loc if step != "[key]" and not str(step).startswith("function-"))
    if path[:1] == ("execution",):
        return (*path[:1], *path[2:])
    return (*path[:2], *path[3:]) if path[:1] in (("sources",), ("stores",)) and len(path) > 2 else path


def _mistake(path: document.Path, problem: Any, parsed: document.Document) -> Mistake:
    field = ".".join(str(step) for step in path)
    name = str(path[-1]) if path else ""
    kind = problem["type"]
    if kind == "extra_forbidden":
        known = _known_keys(path[:-1], parsed)
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(sorted(known))}"
        return Mistake(parsed.line_of(path), field, f"unknown key; {hint}", _example(close[0]) if close else "")
    if kind == "missing":
        return Mistake(parsed.line_of(path), field, "is required", _example(name))
    given = problem.get("input")
    shown = f", not {given!r}" if isinstance(given, (str, int, float)) and not isinstance(given, bool) else ""
    message = problem["msg"].removeprefix("Value error, ")
    if kind == "string_type" and isinstance(given, bool):
        words = "on, yes and true" if given else "off, no and false"
        return Mistake(parsed.line_of(path), field, f"text: YAML takes {words} for a switch; write it in quotes",
                       f'{name}: "{"ON" if given else "OFF"}"')  # fmt: skip
    if kind == "union_tag_not_found":
        return Mistake(parsed.line_of(path), f"{field}.kind", "is required: it says what this is",
                       "kind: celery" if field == "execution" else "kind: postgres")  # fmt: skip
    if kind == "union_tag_invalid":
        known = problem["ctx"]["expected_tags"].replace("'", "")
        close = difflib.get_close_matches(problem["ctx"]["tag"], known.split(", "), n=1)
        hint, example = (f"did you mean {close[0]!r}? ", close[0]) if close else ("", known.split(", ", 1)[0])
        return Mistake(parsed.line_of((*path, "kind")), f"{field}.kind", f"{hint}one of {known}", f"kind: {example}")
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        message = "a mapping of keys to values"
    expected = message if kind == "value_error" else f"{message[0].lower()}{message[1:]}{shown}"
    return Mistake(parsed.line_of(path), field, expected, _example(name))


def _known_keys(parent: document.Path, parsed: document.Document) -> list[str]:
    """The keys that may stand at `parent`, to suggest a spelling from."""
    return sorted({_key(name, field) for model in _models_at(parent, parsed) for name, field in _fields(model)})


def _models_at(path: document.Path, parsed: document.Document) -> list[type[BaseModel]]:
    """The models of what stands at `path`: more than one where `kind` is still open."""
    found: list[type[BaseModel]] = [Config]
    for depth, step in enumerate(path):
        below = [each for model in found for name, field in _fields(model) if _key(name, field) == step
                 for each in _models_in(field.annotation)]  # fmt: skip
        kind = parsed.value_at((*path[: depth + 1], "kind"))
        fitting = [each for each in below if kind in get_args(each.model_fields.get("kind", _NO_FIELD).annotation)]
        # A name of the user's own, or an index, is no field: what holds it says what it is.
        found = fitting or below or [each for each in found if each is not Config]
    return found


_NO_FIELD = FieldInfo(annotation=None)


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    yield from model.model_fields.items()


def _key(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every model a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _every_model() -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = []
    waiting: list[type[BaseModel]] = [Config]
    while waiting:
        model = waiting.pop(0)
        if model not in found:
            found.append(model)
            waiting += [each for _name, field in _fields(model) for each in _models_in(field.annotation)]
    return found


def _example(name: str) -> str:
    for field in (each for model in _every_model() for key, each in _fields(model) if _key(key, each) == name):
        if field.examples:
            return f"{name}: {_inline(field.examples[0])}"
        for extra in field.metadata:
            if examples := getattr(extra, "examples", None):
                return f"{name}: {_inline(examples[0])}"
    return ""


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    return f'"{value}"' if str(value)[:1].isdigit() and " " in str(value) else str(value)


def _absolute(config: Config, root: Path) -> Config:
    """Paths in the file are relative to the file, wherever the command is typed."""
    anchored: Config = _anchored(config, root)
    sources = {
        name: source.model_copy(update={"bin_dirs": (*source.bin_dirs, *anchored.bin_dirs)})
        for name, source in anchored.sources.items()
    }
    return anchored.model_copy(update={"sources": sources})


def _anchored(value: Any, root: Path) -> Any:
    """The same value with every path in it below `root`, unless it is absolute."""
    if isinstance(value, Path):
        return Path(os.path.normpath(root / value))
    if isinstance(value, BaseModel):
        return value.model_copy(
            update={name: _anchored(getattr(value, name), root) for name in type(value).model_fields}
        )
    if isinstance(value, dict):
        return {key: _anchored(item, root) for key, item in value.items()}
    return tuple(_anchored(item, root) for item in value) if isinstance(value, tuple) else value
