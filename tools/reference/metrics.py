"""The page about `/metrics`, from the definitions that the exporter itself uses."""

from ops_pipelines.watch.metrics import PREFIX, defined
from tools.reference.markdown import code, page, table

_TOLD = """
What `ops serve` answers at `/metrics`. Metrics of a source have the label `source`; those of a store also `store`,
those of a step `phase`; probes have `target` and `kind`. A metric without a sample is left out. Which of them matter,
and what to do with them: [monitoring](../monitoring.md). What fires: [Prometheus rules](prometheus-rules.md).
"""


def metrics_page() -> str:
    """Every metric."""
    rows = [
        (code(PREFIX + each.name + ("_total" if each.kind == "counter" else "")), each.kind, each.help)
        for each in defined()
    ]
    return page("Metrics", _TOLD, table(("metric", "type", "meaning"), rows))
