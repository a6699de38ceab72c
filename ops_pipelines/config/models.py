"""The shape of `ops.yaml`, as one frozen model. Its parts stand in `settings`, `sources`, `stores`, `checks`.

Reading files, line numbers and `${VAR}` belong to `load`; rules across fields to `rules` and `cadence`.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, PrivateAttr

from ops_pipelines.config.alerts import Alerts
from ops_pipelines.config.drills import Application, DefaultDrills, Drills, Scenario
from ops_pipelines.config.execution import CENTRE, AnyExecution, CeleryExecution, ProcessExecution
from ops_pipelines.config.installations import Installation
from ops_pipelines.config.logs import Logging
from ops_pipelines.config.probes import Probes
from ops_pipelines.config.report import Report
from ops_pipelines.config.sentry import Sentry
from ops_pipelines.config.sources import AnySource
from ops_pipelines.config.stores import AnyStore
from ops_pipelines.config.web import Web
from ops_pipelines.engines.base import Engine
from ops_pipelines.engines.source import Source
from ops_pipelines.errors import OpsError
from ops_pipelines.language.speech import Code
from ops_pipelines.settings.common import DaemonHeartbeat, Model, Settings
from ops_pipelines.settings.secrets import Secret
from ops_pipelines.settings.values import Name, TimeZone, may_be_off, none_if_off
from ops_pipelines.vault.guests import Guest, Guests
from ops_pipelines.vault.signing.minisign import PublicKey
from ops_pipelines.vault.stores.registry import LOCAL


class UnknownSource(OpsError):
    """No source of that name is configured."""


class Config(Model):
    """The whole of `ops.yaml`, paths made absolute, defaults filled in."""

    timezone: TimeZone = Field(
        "UTC", description="IANA name; cron lines and day partitions are in it", examples=["Europe/Prague"]
    )
    base: Path = Field(Path("var/backups"), description="local store, ledger, locks and scratch space, on a local disk")
    history_from: date | None = Field(
        None, description="first day of the partitions; the oldest restore point's day by default"
    )
    bin_dirs: tuple[Path, ...] = Field((), description="where to look for client and server tools first")
    defaults: Settings = Settings()
    stores: dict[Name, AnyStore] = Field({}, description="where copies go, beside the local store")
    sources: dict[Name, AnySource] = Field(min_length=1, description="what to protect")
    ledger: Secret | None = Field(None, description="SQLAlchemy URL; SQLite below `base` by default")
    installations: dict[Name, Installation] = Field(
        {}, description="other installations, which take sources at sites that let nobody in: see `taken_by`"
    )
    execution: AnyExecution = Field(
        ProcessExecution(kind="process"),
        description="where steps run: on this machine, or on workers near the databases",
    )
    alerts: Alerts = Field(Alerts(), description="who gets alerts")
    sentry: Sentry = Field(Sentry(), description="Sentry: errors, and monitors that notice silence; off without a DSN")
    heartbeats: DaemonHeartbeat = Field(DaemonHeartbeat(), description="plain URLs that notice a silent daemon")
    web: Web = Field(Web(), description="`ops serve`: status page, metrics, health")
    probes: Probes | None = Field(None, description="probe servers and services; off by default")
    drills: Annotated[Drills | None, BeforeValidator(none_if_off)] = Field(
        DefaultDrills(),
        description="disaster drills: one a week of everything, and a restore point chosen at random every month; "
        "`drills: off` for none",
        json_schema_extra=may_be_off,
    )
    report: Report = Field(Report(), description="the backup report, for people")
    language: Code = Field(
        "en",
        description="of reports, evidence, alerts and the recovery kit's runbook; the status page speaks the "
        "browser's, and this one to a browser that asks for none of these",
    )
    logging: Logging | None = Field(None, description="structured logs; none but the web server's by default")
    _file: Path | None = PrivateAttr(None)

    @property
    def file(self) -> Path | None:
        """The file it was read from, whatever that holds by now."""
        return self._file

    def source(self, name: str) -> Source:
        """What is said of a source. Raises UnknownSource."""
        if name not in self.sources:
            raise UnknownSource(
                f"no source is called {name!r}",
                why=f"ops.yaml has: {', '.join(self.sources)}",
                next="ops status lists them",
            )
        return self.sources[name]

    def engine(self, name: str) -> Engine:
        """The engine of a source. Raises UnknownSource."""
        return self.source(name).engine(name)

    def identities(self, name: str) -> Sequence[str]:
        """The age identities a verifier may use for a source. Raises UnknownSource, SecretMissing."""
        encrypt = self.source(name).encrypt
        if encrypt is None or encrypt.identity is None:
            return ()
        return (encrypt.identity.reveal(purpose=f"source {name}, encrypt.identity"),)

    @property
    def guests(self) -> Guests:
        """By source the installation that takes it, where it is not this one."""
        named = {
            name: Guest(name, each.id, {key.number: key for key in map(PublicKey.read, each.keys)})
            for name, each in self.installations.items()
        }
        return {name: named[each.taken_by] for name, each in self.sources.items() if each.taken_by is not None}

    @property
    def here(self) -> str:
        """The site of this machine."""
        return self.execution.here if isinstance(self.execution, CeleryExecution) else CENTRE

    def site(self, name: str) -> str:
        """The site where a source is dumped and copied. Raises UnknownSource."""
        return self.source(name).site or CENTRE

    def proving_site(self, name: str) -> str:
        """The site where a source is proved. Raises UnknownSource."""
        chosen = self.execution.verify_at if isinstance(self.execution, CeleryExecution) else None
        return chosen or self.site(name)

    @property
    def other_sites(self) -> list[str]:
        """The sites beside the centre where something is dumped, in the file's order."""
        return [site for site in dict.fromkeys(map(self.site, self.sources)) if site != CENTRE]

    @property
    def taken_elsewhere(self) -> list[str]:
        """The sources that another installation takes."""
        return [name for name, each in self.sources.items() if each.taken_by is not None]

    def dumped_here(self, name: str) -> bool:
        """Whether this machine's local store is the one that a source is dumped into.

        Of a source that the file does not name any more, restore points are looked for here.
        """
        return name not in self.sources or (self.source(name).taken_by is None and self.site(name) == self.here)

    def places(self, name: str) -> tuple[str, ...]:
        """The stores that have restore points of a source, as this machine sees them. Raises UnknownSource."""
        return (*((LOCAL,) if self.dumped_here(name) else ()), *self.source(name).copies)

    @property
    def heads(self) -> list[str]:
        """The sources that are backed up on their own: all but the folders that belong to a database."""
        return [name for name, each in self.sources.items() if each.database is None]

    def group_of(self, name: str) -> list[str]:
        """A source, then those that are tied to it, in the order in which they are backed up."""
        tied = (other for other, each in self.sources.items() if each.database == name)
        return [name, *tied]

    @property
    def drilled(self) -> Drills | None:
        """The drills that are played by schedule; none by default where no backup can be opened."""
        closed = any(each.encrypt is not None and each.encrypt.identity is None for each in self.sources.values())
        return None if closed and isinstance(self.drills, DefaultDrills) else self.drills

    @property
    def scenario(self) -> Scenario:
        """What the scheduled drill plays."""
        drills = self.drills or DefaultDrills()
        left = any(store.offsite for store in self.stores.values())
        return drills.scenario if left or not isinstance(drills, DefaultDrills) else "random_restore_point"

    @property
    def applications(self) -> dict[str, Application]:
        """What a drill recovers together: as declared, and every other database with its folders."""
        declared = dict(self.drills.applications) if self.drills is not None else {}
        taken = {name for each in declared.values() for name in each.sources}
        for head in self.heads:
            members = [name for name in self.group_of(head) if name not in taken]
            if members:
                declared[head if head not in declared else "_".join(members)] = Application(sources=tuple(members))
        return declared
