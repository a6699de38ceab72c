"""Which format of the metrics a client prefers, by its `Accept` header (RFC 9110, 12.5.1)."""

import re

_OPENMETRICS = "application/openmetrics-text"
_TEXT = ("text/plain", "text/*", "*/*")
_WEIGHT = re.compile(r"[01]|[01]?\.[0-9]{1,9}|[01]\.")


def prefers_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics is named, and nothing that takes Prometheus' own text weighs more."""
    weights: dict[str, float] = {}
    for offer in accept.split(","):
        name, *parameters = (each.strip().lower() for each in offer.split(";"))
        weights[name] = max(weights.get(name, 0.0), _weight(parameters))
    wanted = weights.get(_OPENMETRICS, 0.0)
    return wanted > 0 and wanted >= max(weights.get(name, 0.0) for name in _TEXT)


def _weight(parameters: list[str]) -> float:
    """The first `q`; what is no weight weighs nothing.

    The standard library's reader of mail headers is not for this: of RFC 2231's parameters some make it raise.
    """
    for each in parameters:
        name, _equals, value = each.partition("=")
        if name.rstrip() == "q":
            given = value.strip().strip('"')
            return float(given) if _WEIGHT.fullmatch(given) else 0.0
    return 1.0
