"""Rules of `ops.yaml` that need more than one field, each broken one with its line."""

from collections.abc import Callable, Iterator

from ops_pipelines.config.cadence import cadence_problem
from ops_pipelines.config.document import Document
from ops_pipelines.config.drills import Drills
from ops_pipelines.config.errors import Mistake
from ops_pipelines.config.execution import CeleryExecution
from ops_pipelines.config.models import Config
from ops_pipelines.config.web import Web
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.engines.source import Source


def broken_rules(config: Config, parsed: Document) -> Iterator[Mistake]:
    """Rules that need more than one field."""
    if "local" in config.stores:
        yield Mistake(
            parsed.line_of(("stores", "local")), "stores.local", "the name local is reserved for the store below base"
        )
    yield from _shared_keys(config.web, parsed)
    for number, legacy in enumerate(config.web.legacy_metrics):
        if legacy.source is not None and legacy.source not in config.sources:
            path = ("web", "legacy_metrics", number, "source")
            known = ", ".join(config.sources)
            yield Mistake(
                parsed.line_of(path),
                f"web.legacy_metrics.{number}.source",
                f"no source is called {legacy.source!r} (sources: {known})",
            )
    for name in config.probes.services if config.probes is not None else ():
        if name in config.sources:
            line = parsed.line_of(("probes", "services", name))
            yield Mistake(line, f"probes.services.{name}", "a source has this name: incidents would be mixed up")
    if isinstance(config.execution, CeleryExecution) and config.ledger is None:
        yield Mistake(
            parsed.line_of(("execution",)),
            "execution",
            "workers on several machines share one ledger, on PostgreSQL",
            "ledger: {env: OPS_LEDGER_URL}",
        )
    if config.drills is not None:
        yield from _drill_checks(config, config.drills, parsed)
    reported = set()
    for name, source in config.sources.items():
        for mistake in _source_checks(name, source, config, parsed):
            if mistake not in reported:
                reported.add(mistake)
                yield mistake


def _shared_keys(web: Web, parsed: Document) -> Iterator[Mistake]:
    """Who may only read must not know what opens the buttons."""
    if (operate := web.operate) is None:
        return
    reading = [web.token, web.basic.password if web.basic is not None else None]
    keys = (
        (("token",), operate.token, "token: {env: OPS_OPERATE_TOKEN}"),
        (("basic", "password"), operate.basic.password if operate.basic is not None else None,
         "password: {env: OPS_OPERATE_PASSWORD}"),
    )  # fmt: skip
    for key, secret, example in keys:
        if secret is not None and secret in reading:
            path = ("web", "operate", *key)
            yield Mistake(
                parsed.line_of(path), ".".join(path), "whoever may read knows this secret, and could operate", example
            )


def _source_checks(name: str, source: Source, config: Config, parsed: Document) -> Iterator[Mistake]:
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
    yield from _guest_checks(name, source, config, at)
    yield from _site_checks(name, source, config, at)
    if source.database is not None:
        yield from _tie_checks(name, source, source.database, config, at("with"))


def _guest_checks(name: str, source: Source, config: Config, at: Callable[[str], tuple[int, str]]) -> Iterator[Mistake]:
    if source.taken_by is None:
        return
    if source.taken_by not in config.installations:
        known = ", ".join(config.installations) or "none are declared under installations:"
        yield Mistake(*at("taken_by"), f"no installation is called {source.taken_by!r} (installations: {known})")
    if source.site is not None:
        yield Mistake(*at("site"), f"{name!r} is taken by {source.taken_by}: no worker of ours dumps it")
    if not config.stores:
        yield Mistake(*at("taken_by"), "name the store that its restore points are brought to, under stores:")


def _site_checks(name: str, source: Source, config: Config, at: Callable[[str], tuple[int, str]]) -> Iterator[Mistake]:
    """A site has a local store of its own: who proves elsewhere reaches the other stores alone."""
    if source.site is not None and not isinstance(config.execution, CeleryExecution):
        yield Mistake(
            *at("site"), "only workers have sites, and there are none", "execution: {kind: celery, broker: …}"
        )
        return
    if not source.copies and config.proving_site(name) != config.site(name):
        yield Mistake(
            *at("copies"),
            f"{name!r} is dumped at {config.site(name)} and proved at {config.proving_site(name)}: name a store that "
            "both reach",
            "copies: [offsite]",
        )


def _tie_checks(name: str, source: Source, other: str, config: Config, at: tuple[int, str]) -> Iterator[Mistake]:
    database = config.sources.get(other)
    if database is None:
        yield Mistake(*at, f"no source is called {other!r} (sources: {', '.join(config.sources)})")
    elif database.repository_password is not None:
        yield Mistake(*at, f"{other!r} is a set of folders; name the database these files belong to")
    elif (database.site, database.taken_by) != (source.site, source.taken_by):
        yield Mistake(*at, f"{name!r} is backed up together with {other!r}: give both the same site and taken_by")
    elif database.every != source.every:
        yield Mistake(*at, f"{name!r} is backed up together with {other!r}: give both the same every")
    elif source.names_files is not None and not kind_of(database.kind).json_list:
        yield Mistake(*at, f"references are queried in SQL, which {other!r} does not support")


def _drill_checks(config: Config, drills: Drills, parsed: Document) -> Iterator[Mistake]:
    for store in drills.stores:
        if store not in config.stores:
            line = parsed.line_of(("drills", "stores"))
            yield Mistake(line, "drills.stores", f"no store is called {store!r} (stores: {', '.join(config.stores)})")
    for application, each in drills.applications.items():
        path = ("drills", "applications", application, "sources")
        for name in each.sources:
            if name not in config.sources:
                known = ", ".join(config.sources)
                yield Mistake(parsed.line_of(path), ".".join(path), f"no source is called {name!r} (sources: {known})")
