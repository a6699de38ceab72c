"""What an operator may start or settle, whichever face he uses: a page or the API."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ops_pipelines.config.cadence import day_of
from ops_pipelines.config.drills import SCENARIOS
from ops_pipelines.config.models import Config
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.ledger.models import Mute
from ops_pipelines.operate.launch import start_backup, start_drill, start_report, start_restore, start_verification
from ops_pipelines.operate.project import Project, find_project
from ops_pipelines.operate.runs import RunState, run_state
from ops_pipelines.starting import start_command
from ops_pipelines.watch.alerts.rules import RULES
from ops_pipelines.watch.history import Made, restore_points
from ops_pipelines.workspace import Workspace

_NAME = re.compile(r"\w[\w.+-]{0,62}")
"""Of a database. Nothing that a program could read as an option or, as libpq reads `host=…`, as a server."""


class NothingSuch(OpsError):
    """What was named is not there, or no longer."""


class NoDagster(OpsError):
    """Nobody said where Dagster runs."""


def restored_below(config: Config, source: str) -> Path | None:
    """The folder below which a source is restored from here; None for one that is restored into a database."""
    return config.base.resolve().parent / "restored" if kind_of(config.sources[source].kind).on_disk else None


@dataclass(frozen=True)
class Operations:
    """What can be done with one installation. Each raises OpsError, and says what is safe.

    Attributes:
        dagster_url: of the web server that starts runs; None where nobody named one.
    """

    workspace: Workspace
    dagster_url: str | None

    def back_up(self, source: str, operator: str) -> str:
        """Dump, copy and prove a source; the run's id."""
        day = day_of(self.workspace.config, self.workspace.clock.now())
        return start_backup(self._project(source), source, day=day, operator=operator)

    def verify(self, source: str, backup: str, operator: str) -> str:
        """Prove one restore point again; the run's id."""
        taken = min(self.point(source, backup).started_at, self.workspace.clock.now())
        day = day_of(self.workspace.config, taken)
        return start_verification(self._project(source), source, backup=backup, day=day, operator=operator)

    def restore(self, source: str, backup: str, to: str, only: Sequence[str], operator: str) -> str:
        """Restore one beside the source; the run's id.

        Args:
            to: a new database on the source's own server, or a new folder below `restored`.
            only: nothing but these tables, collections or paths.
        """
        self.known(source)
        beside = self._beside(source, to)
        self.point(source, backup)
        return start_restore(self._project(source), source, backup=backup, to=beside, only=only, operator=operator)

    def _beside(self, source: str, to: str) -> str:
        """The target, where links and `..` have led already: what is allowed is what is written to.

        Who may press a button takes no backup out of the house, and writes nowhere else on the machine.
        """
        folder = restored_below(self.workspace.config, source)
        if folder is None and _NAME.fullmatch(to):
            return to
        if folder is not None and Path(to).is_absolute() and "\0" not in to:
            # A link may lie in what was restored before: a backup holds whatever its source held.
            place = os.path.realpath(to)
            if Path(os.path.realpath(folder)) in Path(place).parents:
                return place
        raise SafetyRefusal(
            f"from here, {source} is not restored into {to!r}",
            why=f"it must be a folder below {folder}" if folder else "it must be the name of a new database",
            safe="nothing was started",
            next=f"ops restore {source} --to …, in a terminal, restores into any place",
        )

    def drill(self, scenario: str, operator: str) -> str:
        """Play a disaster; the run's id. An empty scenario is the configured one."""
        config = self.workspace.config
        if config.drilled is None:
            raise NothingSuch("no drill is configured", safe="nothing was started", next="add drills: to ops.yaml")
        if scenario and scenario not in SCENARIOS:
            raise NothingSuch(f"there is no scenario {scenario!r}", next=f"one of {', '.join(SCENARIOS)}")
        return start_drill(self._anywhere(), scenario=scenario, operator=operator)

    def report(self, operator: str) -> str:
        """Write the report anew; the run's id."""
        return start_report(self._anywhere(), operator=operator)

    def acknowledge(self, incident: str, operator: str) -> None:
        """Stop the repeats of an open incident."""
        book = AlertLedger(self.workspace.ledger)
        if incident not in {each.id for each in book.open_incidents()}:
            raise NothingSuch(f"no open incident is called {incident}", safe="it may have been resolved meanwhile")
        book.acknowledge([incident], by=operator, at=self.workspace.clock.now())

    def mute(self, source: str, rule: str, length: timedelta, reason: str, operator: str) -> Mute:
        """Tell nobody of new troubles for a while; empty words stand for every source and every rule."""
        if source:
            self.known(source)
        if rule and not any(rule in rules for rules in RULES.values()):
            raise NothingSuch(f"no rule is called {rule!r}", safe="nothing is muted", next="ops alerts list names them")
        now = self.workspace.clock.now()
        return AlertLedger(self.workspace.ledger).mute(
            source=source or None, rule=rule or None, until=now + length, by=operator, reason=reason, at=now
        )

    def unmute(self, mute: str) -> None:
        """End a mute."""
        book, now = AlertLedger(self.workspace.ledger), self.workspace.clock.now()
        if mute not in {each.id for each in book.mutes(now)}:
            raise NothingSuch(f"no mute is called {mute}", safe="it may have ended meanwhile")
        book.unmute([mute], at=now)

    def run(self, run_id: str) -> RunState:
        """How a run is doing."""
        found = run_state(self._url(), run_id)
        if found is None:
            raise NothingSuch(f"Dagster knows no run {run_id}", safe="old runs are purged; what they made is not")
        return found

    def known(self, source: str) -> None:
        """Raise NothingSuch where no source is called so."""
        if source not in self.workspace.config.sources:
            raise NothingSuch(f"no source is called {source!r}", safe="nothing was started")

    def point(self, source: str, backup: str) -> Made:
        """A restore point of a source that some store still has."""
        self.known(source)
        with self.workspace.ledger.session() as session:
            found = [each for each in restore_points(session, source) if each.id == backup]
        if not found:
            raise NothingSuch(f"{source} has no restore point {backup}", safe="nothing was started")
        return found[0]

    def _anywhere(self) -> Project:
        return self._project(next(iter(self.workspace.config.sources)))

    def _project(self, source: str) -> Project:
        self.known(source)
        return find_project(self._url(), source)

    def _url(self) -> str:
        if self.dagster_url is None:
            raise NoDagster(
                "nobody said where Dagster runs",
                safe="nothing was started",
                next=f"add alerts: {{dagster_url: http://127.0.0.1:3000}} to ops.yaml; or {start_command()}",
            )
        return self.dagster_url
