"""Which format of the metrics a client prefers, by its `Accept` header (RFC 9110, 12.5.1)."""

from email.message import Message

_OPENMETRICS = "application/openmetrics-text"
_TEXT = ("text/plain", "text/*", "*/*")


def prefers_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics is named, and nothing that takes Prometheus' own text weighs more."""
    weights: dict[str, float] = {}
    for offer in accept.split(","):
        parsed = Message()
        parsed["content-type"] = offer.strip()
        name = parsed.get_content_type() if "/" in offer else ""
        weights[name] = max(weights.get(name, 0.0), _weight(parsed.get_param("q")))
    wanted = weights.get(_OPENMETRICS, 0.0)
    return wanted > 0 and wanted >= max(weights.get(name, 0.0) for name in _TEXT)


def _weight(given: object) -> float:
    try:
        return 1.0 if given is None else float(str(given))
    except ValueError:
        return 0.0
