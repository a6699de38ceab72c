"""Metrics as text, in Prometheus' format and in OpenMetrics. What they mean stands in `metrics`.

The client library spends 8 microseconds on a sample, and a thousand sources have forty thousand: this writes the same
text in a tenth of that. The library's parsers read it in the tests.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_ODD = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}


@dataclass
class Family:
    """One metric with its samples.

    Attributes:
        name: without prefix; a counter's without `_total`.
        samples: labels as `labels` renders them, and the value: text, which the garbage collector has no work with.
    """

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    samples: list[str] = field(default_factory=list)

    def add(self, rendered: str, value: float | None) -> None:
        """Add a sample; nothing when there is no value."""
        if value is not None:
            text = repr(value)
            self.samples.append(f"{rendered} {_ODD.get(text, text)}")


def labels(**values: str) -> str:
    """Labels between braces; those without a value are left out, as Prometheus takes them for equal."""
    text = ",".join([f'{name}="{_escaped(value)}"' for name, value in values.items() if value])
    return f"{{{text}}}" if text else ""


def render(families: Iterable[Family], *, prefix: str, openmetrics: bool) -> str:
    """The exposition. Metrics without a sample are left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        name = prefix + family.name
        sample = f"{name}_total" if family.kind == "counter" else name
        # Prometheus names a counter's family like its samples, OpenMetrics without their suffix.
        described = name if openmetrics else sample
        escape = _ESCAPE[openmetrics]
        lines += [f"# HELP {described} {escape(family.help)}", f"# TYPE {described} {family.kind}"]
        lines += [sample + rest for rest in family.samples]
    if openmetrics:
        lines.append("# EOF")
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=16384)
def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


_ESCAPE: Mapping[bool, Callable[[str], str]] = {
    False: lambda text: text.replace("\\", r"\\").replace("\n", r"\n"),
    True: _escaped,
}
