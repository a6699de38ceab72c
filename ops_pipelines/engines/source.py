"""What `ops.yaml` says of one source, whatever its kind; each kind's own model stands in its room."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue

from ops_pipelines.engines.base import Engine
from ops_pipelines.engines.examiner import Examiner
from ops_pipelines.proof import Grade, grade_of
from ops_pipelines.settings.checks import AggregationCheck, CommandCheck, SqlCheck
from ops_pipelines.settings.common import Model, Settings
from ops_pipelines.settings.outage import OutageCommands
from ops_pipelines.settings.pod import Pod
from ops_pipelines.settings.secrets import Secret, SecretRef
from ops_pipelines.settings.values import Name


class References(Model):
    """Files that the restored database names must exist in the restored folders."""

    sql: str = Field(description="returns one path a row", examples=["select path from attachments"])
    sample: int = Field(200, ge=1, description="how many of them are looked up")
    below: str = Field("", description="folder the paths are relative to, when they are not absolute")


class Source(Settings, ABC):
    """One source. What is asked of every kind has an answer here; a kind overrides what it answers differently."""

    kind: str
    site: Name | None = Field(
        None, description="where it is dumped and copied, by a worker of that site; `execution` must be `celery`"
    )
    taken_by: Name | None = Field(
        None,
        description="the installation, of those under `installations`, that backs it up and brings restore points to a "
        "store; here they are copied, proved and pruned. What else is said of it is what its own `ops.yaml` says: its "
        "secrets are never asked for",
    )
    pod: Pod | None = Field(None, description="of its scheduled runs, where Dagster makes each run a pod")
    bin_dirs: tuple[Path, ...] = Field((), description="where to look for client tools first")
    checks: Sequence[SqlCheck | AggregationCheck] = ()
    commands: tuple[CommandCheck, ...] = ()

    @abstractmethod
    def engine(self, name: str) -> Engine:
        """The engine that protects the source of this name. Its driver is imported now, and not before."""

    @abstractmethod
    def examiner(self, name: str) -> Examiner:
        """Who answers questions about it before a backup."""

    @property
    def server(self) -> SecretRef | None:
        """The address of the server it lives on; None where it is files of this machine."""
        return None

    @property
    def outage(self) -> OutageCommands | None:
        """How an outage drill stops its server."""
        return None

    @property
    def database(self) -> str | None:
        """The source it belongs to and is backed up right after."""
        return None

    @property
    def names_files(self) -> References | None:
        """What is asked of that source about the files that this one must have."""
        return None

    @property
    def repository_password(self) -> SecretRef | None:
        """The password of the repository that its data lies in."""
        return None

    def grade(self, facts: Mapping[str, JsonValue] | None) -> Grade:
        """What a proof should compare.

        Args:
            facts: what the engine recorded of a restore point; without them, of one of any size.
        """
        return grade_of(self.fingerprint)

    def detached(self, password: SecretRef | None) -> "Source":
        """The same without a way to what it protects, for a drill.

        Args:
            password: of its repository.
        """
        return self

    def placed_here(self) -> Mapping[str, Any]:
        """What of it depends on where `ops.yaml` lies: relative paths in a copy of that would lead elsewhere."""
        return {"bin_dirs": self.bin_dirs}


class ServerSource(Source, ABC):
    """A source that lives on a server."""

    url: Secret
    drill: OutageCommands | None = Field(
        None, description="with these, an outage drill stops the real server; else one of its own"
    )

    @property
    def server(self) -> SecretRef | None:
        """See `Source.server`."""
        return self.url

    @property
    def outage(self) -> OutageCommands | None:
        """See `Source.outage`."""
        return self.drill
