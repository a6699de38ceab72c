"""Read an `ops.yaml` into a `Config`, or say everything that is wrong with it, with lines."""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ops_pipelines.config import document
from ops_pipelines.config.cadence import cadence_problem
from ops_pipelines.config.errors import ConfigError, Mistake
from ops_pipelines.config.models import Config, DirectoryStore, Encryption, Limits, PostgresSource, Settings, SqlCheck
from ops_pipelines.config.secrets import SecretRef

DEFAULT_NAME = "ops.yaml"
_MODELS = (Config, Settings, PostgresSource, DirectoryStore, Encryption, Limits, SqlCheck, SecretRef)


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
    """
    path = find_config(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, [Mistake(1, "", f"cannot be read: {error}")]) from None
    parsed = document.parse(text, environ)
    mistakes = list(parsed.mistakes)
    config = None
    if parsed.values is not None:
        values = _prepared(parsed.values, environ)
        try:
            config = Config.model_validate(values)
        except ValidationError as error:
            told = {(mistake.line, mistake.field) for mistake in mistakes}
            mistakes += [each for each in _translated(error, parsed) if (each.line, each.field) not in told]
        else:
            mistakes += _cross_checks(config, parsed)
    if mistakes or config is None:
        raise ConfigError(path, mistakes)
    return _absolute(config, path.parent)


def _prepared(values: Any, environ: Mapping[str, str]) -> Any:
    """Fill each source's unset keys from `defaults`, and let `OPS_BACKUP_BASE` override `base`."""
    if not isinstance(values, dict):
        return values
    values = dict(values)
    if override := environ.get("OPS_BACKUP_BASE"):
        values["base"] = override
    defaults, sources = values.get("defaults"), values.get("sources")
    if isinstance(defaults, dict) and isinstance(sources, dict):
        known = {key: value for key, value in defaults.items() if key in Settings.model_fields}
        values["sources"] = {
            name: _inherited(known, source) if isinstance(source, dict) else source for name, source in sources.items()
        }
    return values


def _inherited(defaults: dict[str, Any], source: dict[str, Any]) -> dict[str, Any]:
    """A source's own keys win; of `limits`, each limit by itself."""
    merged = {**defaults, **source}
    ours, theirs = defaults.get("limits"), source.get("limits")
    if isinstance(ours, dict) and isinstance(theirs, dict):
        merged["limits"] = {**ours, **theirs}
    return merged


def _translated(error: ValidationError, parsed: document.Document) -> Iterator[Mistake]:
    """Pydantic's complaints in our words; one inherited from `defaults` is told once, where it stands."""
    told = set()
    for problem in error.errors(include_url=False, include_context=True):
        path = tuple(step for step in problem["loc"] if step != "[key]" and not str(step).startswith("function-"))
        if path[:1] == ("sources",) and len(path) > 2 and problem["type"] not in ("missing", "extra_forbidden"):
            inherited = ("defaults", *path[2:])
            own = path if inherited in parsed.lines else path[:3]
            path = inherited if own not in parsed.lines and inherited[:2] in parsed.lines else path
        mistake = _mistake(path, problem, parsed)
        if problem["type"] == "too_short" and problem["input"]:
            continue  # what is in it was refused: that is told by itself
        if (mistake.line, mistake.field, mistake.expected) not in told:
            told.add((mistake.line, mistake.field, mistake.expected))
            yield mistake


def _mistake(path: document.Path, problem: Any, parsed: document.Document) -> Mistake:
    field = ".".join(str(step) for step in path)
    name = str(path[-1]) if path else ""
    kind = problem["type"]
    if kind == "extra_forbidden":
        known = _known_keys(path[:-1])
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(sorted(known))}"
        return Mistake(parsed.line_of(path), field, f"unknown key; {hint}", _example(close[0]) if close else "")
    if kind == "missing":
        return Mistake(parsed.line_of(path), field, "is required", _example(name))
    given = problem.get("input")
    shown = f", not {given!r}" if isinstance(given, (str, int, float)) and not isinstance(given, bool) else ""
    message = problem["msg"].removeprefix("Value error, ")
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        message = "a mapping of keys to values"
    expected = message if kind == "value_error" else f"{message[0].lower()}{message[1:]}{shown}"
    return Mistake(parsed.line_of(path), field, expected, _example(name))


def _known_keys(parent: document.Path) -> list[str]:
    """The keys of the models that could stand at `parent`; good enough to suggest a spelling."""
    if not parent:
        return list(Config.model_fields)
    by_place: dict[str, type[BaseModel]] = {"defaults": Settings, "sources": PostgresSource, "stores": DirectoryStore}
    by_key: dict[str, type[BaseModel]] = {
        "encrypt": Encryption,
        "limits": Limits,
        "checks": SqlCheck,
        "identity": SecretRef,
    }
    key = next((str(step) for step in reversed(parent) if str(step) in by_key), None)
    model = by_key[key] if key else by_place.get(str(parent[0]), Config)
    return list(model.model_fields)


def _example(name: str) -> str:
    for model in _MODELS:
        field = model.model_fields.get(name)
        if field is None:
            continue
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


def _cross_checks(config: Config, parsed: document.Document) -> Iterator[Mistake]:
    """Rules that need more than one field."""
    if "local" in config.stores:
        yield Mistake(
            parsed.line_of(("stores", "local")), "stores.local", "the name local is taken by the store below base"
        )
    told = set()
    for name, source in config.sources.items():
        for mistake in _source_checks(name, source, config, parsed):
            if mistake not in told:
                told.add(mistake)
                yield mistake


def _source_checks(name: str, source: Settings, config: Config, parsed: document.Document) -> Iterator[Mistake]:
    def at(key: str) -> tuple[int, str]:
        own, inherited = ("sources", name, key), ("defaults", key)
        path = inherited if own not in parsed.lines and inherited in parsed.lines else own
        return parsed.line_of(path), ".".join(path)

    if problem := cadence_problem(source, config.timezone):
        yield Mistake(*at("every" if ("sources", name, "rpo") not in parsed.lines else "rpo"), problem)
    if source.warn_window >= source.rpo:
        yield Mistake(*at("warn_after"), "warn_after must be shorter than rpo", "warn_after: 20h")
    for store in source.copies:
        if store not in config.stores:
            known = ", ".join(config.stores) or "none are declared under stores:"
            yield Mistake(*at("copies"), f"no store is called {store!r} (stores: {known})", "copies: [nas]")
        elif config.stores[store].offsite and source.encrypt is None:
            yield Mistake(
                *at("copies"),
                f"store {store!r} is offsite and takes encrypted parts only, but source {name!r} has no encrypt",
                "encrypt: {age: [age1…]}",
            )


def _absolute(config: Config, root: Path) -> Config:
    """Paths in the file are relative to the file, wherever the command is typed."""

    def secret(ref: SecretRef | None) -> SecretRef | None:
        return ref.model_copy(update={"file": root / ref.file}) if ref is not None and ref.file is not None else ref

    def source(each: PostgresSource) -> PostgresSource:
        encrypt = each.encrypt
        if encrypt is not None:
            encrypt = encrypt.model_copy(update={"identity": secret(encrypt.identity)})
        bin_dirs = tuple(root / path for path in (*each.bin_dirs, *config.bin_dirs))
        return each.model_copy(update={"url": secret(each.url), "encrypt": encrypt, "bin_dirs": bin_dirs})

    return config.model_copy(
        update={
            "base": (root / config.base).resolve(),
            "sources": {name: source(each) for name, each in config.sources.items()},
            "stores": {
                name: store.model_copy(update={"path": (root / store.path).resolve()})
                for name, store in config.stores.items()
            },
            "ledger": secret(config.ledger),
        }
    )
