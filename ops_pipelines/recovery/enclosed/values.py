"""What an engine answers, as JSON and back; what comes out of the sandbox is checked by its model."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from ops_pipelines.engines.base import Contents, Finding, Restored
from ops_pipelines.recovery.enclosed.wire import SandboxFailed
from ops_pipelines.vault.verdict import Check


class _Restored(BaseModel):
    seconds: Mapping[str, float]
    warnings: Sequence[str]
    detail: str
    names: Sequence[str] | None
    findings: Sequence[Finding]
    excused: Mapping[str, Sequence[str]]
    sampled: bool
    notes: dict[str, JsonValue]


_FINDING = TypeAdapter(Finding)
_TEXTS = TypeAdapter(dict[str, str])


def restored_as_json(restored: Restored) -> object:
    """A finished restore as JSON."""
    model = _Restored(
        seconds=restored.seconds, warnings=restored.warnings, detail=restored.detail,
        names=sorted(restored.names) if restored.names is not None else None, findings=restored.findings,
        excused=restored.excused, sampled=restored.sampled, notes=dict(restored.notes),
    )  # fmt: skip
    return model.model_dump(mode="json")


def as_restored(document: object) -> Restored:
    """The reverse. Raises SandboxFailed."""
    with _checked():
        model = _Restored.model_validate(document)
    return Restored(
        seconds=model.seconds, warnings=model.warnings, detail=model.detail,
        names=frozenset(model.names) if model.names is not None else None, findings=model.findings,
        excused=model.excused, sampled=model.sampled, notes=model.notes,
    )  # fmt: skip


def finding_as_json(finding: Finding) -> object:
    """A finding as JSON."""
    return _FINDING.dump_python(finding, mode="json")


def as_finding(document: object) -> Finding:
    """The reverse. Raises SandboxFailed."""
    with _checked():
        return _FINDING.validate_python(document)


def as_contents(document: object) -> Contents:
    """A fingerprint. Raises SandboxFailed."""
    with _checked():
        return Contents.model_validate(document)


def as_check(document: object) -> Check:
    """A check. Raises SandboxFailed."""
    with _checked():
        return Check.model_validate(document)


def as_texts(document: object) -> dict[str, str]:
    """Texts by name. Raises SandboxFailed."""
    with _checked():
        return _TEXTS.validate_python(document)


def as_json(value: object) -> object:
    """An answer to a user's question, with its type where JSON has none."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [as_json(each) for each in value]
    for name, (kind, _read) in _TYPES.items():
        if type(value) is kind:
            return {name: str(value)}
    return {"text": str(value)}


def as_value(document: object) -> object:
    """The reverse. Raises SandboxFailed."""
    if isinstance(document, list):
        return [as_value(each) for each in document]
    if not isinstance(document, Mapping):
        return document
    with _checked():
        ((name, text),) = document.items()
        return _TYPES[name][1](text) if name in _TYPES else str(text)


_TYPES: Mapping[str, tuple[type, Any]] = {
    "float": (float, float),
    "decimal": (Decimal, Decimal),
    "datetime": (datetime, datetime.fromisoformat),
    "date": (date, date.fromisoformat),
    "time": (time, time.fromisoformat),
}


@contextmanager
def _checked() -> Iterator[None]:
    """What does not fit its model is no answer."""
    try:
        yield
    except (ValidationError, ValueError, TypeError, ArithmeticError) as error:
        raise SandboxFailed(
            "the process in the sandbox sent an invalid answer", why=str(error).splitlines()[0]
        ) from None
