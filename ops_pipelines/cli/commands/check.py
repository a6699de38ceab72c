"""`ops check`: is the configuration right? Touches no source and no store."""

from ops_pipelines.cli import output
from ops_pipelines.clock import human_duration
from ops_pipelines.config.cadence import cadence_warning, longest_interval
from ops_pipelines.recovery.graded import not_noticed


@output.explained
def check(config: output.ConfigOption = None, as_json: output.JsonOption = False) -> int:
    """Read ops.yaml and say everything that is wrong with it, with line numbers.

    Example: ops check --json
    """
    loaded, path = output.open_config(config)
    seldom = {
        name: said for name, source in loaded.sources.items() if (said := cadence_warning(source, loaded.timezone))
    }
    choices = {name: said for name, source in loaded.sources.items() if (said := not_noticed(source))}
    if as_json:
        output.print_json(
            {
                "ok": True, "file": str(path), "sources": list(loaded.sources), "stores": list(loaded.stores),
                "not_noticed": choices, "cadence_warning": seldom,
            }
        )  # fmt: skip
        return output.FINE
    output.say("[green]✓[/] {}", path)
    rows = [
        [
            name,
            source.kind,
            f"every {human_duration(longest_interval(source.every, loaded.timezone))}",
            human_duration(source.rpo),
            ", ".join(("local", *source.copies)),
            "age" if source.encrypt else "no",
            source.fingerprint,
        ]
        for name, source in loaded.sources.items()
    ]
    output.print_table(["source", "kind", "cadence", "rpo", "copies", "encrypted", "fingerprint"], rows)
    for name, said in seldom.items():
        output.say("[yellow]![/] {}: {}", name, said)
    for name, said in choices.items():
        output.say("{}: fingerprint: {}: {}", name, loaded.sources[name].fingerprint, said)
    return output.FINE
