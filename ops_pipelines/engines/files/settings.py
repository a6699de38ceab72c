"""Folders in `ops.yaml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue, model_validator

from ops_pipelines.engines.base import Engine
from ops_pipelines.engines.examiner import Examiner
from ops_pipelines.engines.source import References, Source
from ops_pipelines.proof import Grade, grade_of, weaker
from ops_pipelines.settings.checks import SqlCheck
from ops_pipelines.settings.secrets import Secret, SecretRef
from ops_pipelines.settings.values import Name, Size


class FilesSource(Source):
    """Folders: uploads, documents, logs. Backed up with restic."""

    kind: Literal["files"]
    paths: tuple[Path, ...] = Field(min_length=1, examples=[["/srv/crm/uploads"]])
    exclude: tuple[str, ...] = Field((), description="restic's exclude patterns", examples=[["*.tmp"]])
    password: Secret = Field(
        SecretRef(env="RESTIC_PASSWORD"),
        description="of the restic repositories",
        examples=[{"env": "RESTIC_PASSWORD"}],
    )
    tags: tuple[str, ...] = Field((), description="tags of every snapshot", examples=[["uploads"]])
    tied_to: Name | None = Field(
        None, alias="with", description="the database these files belong to; backed up right after it"
    )
    verify_all_below: Size = Field(
        10 * 1024**3,
        description="a verification restores everything up to this size; of more a sample of that size, while the "
        "repository's packs are read in rotation",
    )
    allow_links_out: bool = Field(
        False, description="links may lead out of the folders: that what they point to is not in the backup is known"
    )
    allow_empty: bool = Field(
        False, description="a folder that had files and has none any more is backed up nonetheless"
    )
    references: References | None = Field(None, description="asked of the database named by `with`")
    checks: tuple[SqlCheck, ...] = Field((), max_length=0, description="folders cannot be queried")

    @model_validator(mode="after")
    def _references_need_a_database(self) -> "FilesSource":
        if self.references is not None and self.tied_to is None:
            raise ValueError("references needs with: the database to ask")
        return self

    @property
    def database(self) -> str | None:
        """See `Source.database`."""
        return self.tied_to

    @property
    def names_files(self) -> References | None:
        """See `Source.names_files`."""
        return self.references

    @property
    def repository_password(self) -> SecretRef | None:
        """See `Source.repository_password`."""
        return self.password

    def grade(self, facts: Mapping[str, JsonValue] | None) -> Grade:
        """Folders have no samples by `fingerprint`, but those above `verify_all_below` are restored in part."""
        grade = "full" if self.fingerprint == "sample" else grade_of(self.fingerprint)
        held = facts.get("bytes") if facts is not None else None
        large = isinstance(held, int) and held > self.verify_all_below
        return "sample" if large and weaker("sample", grade) else grade

    def detached(self, password: SecretRef | None) -> Source:
        """See `Source.detached`."""
        return self.model_copy(update={"password": password}) if password is not None else self

    def placed_here(self) -> Mapping[str, Any]:
        """See `Source.placed_here`."""
        return {**super().placed_here(), "paths": self.paths}

    def engine(self, name: str) -> Engine:
        """See `Source.engine`."""
        from ops_pipelines.engines.files.engine import FilesEngine  # noqa: PLC0415

        return FilesEngine(name, self)

    def examiner(self, name: str) -> Examiner:
        """See `Source.examiner`."""
        from ops_pipelines.engines.files.examine import FilesExaminer  # noqa: PLC0415

        return FilesExaminer(name, self)
