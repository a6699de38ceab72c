"""Secrets are named in `ops.yaml` and resolved at the last moment, by whoever needs the value.

A secret is `{env: NAME}`, `{file: path}` or, where a value holds no password, plain text. A
resolved value is registered for redaction before anybody sees it.
"""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, model_validator

from ops_pipelines import redact
from ops_pipelines.errors import OpsError


class SecretMissing(OpsError):
    """The environment variable or file a secret is named after is not there."""


class SecretRef(BaseModel):
    """Where a secret is found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: str | None = None
    file: Path | None = None
    literal: SecretStr | None = None

    @model_validator(mode="after")
    def _one_place(self) -> "SecretRef":
        if sum(place is not None for place in (self.env, self.file, self.literal)) != 1:
            raise ValueError("name exactly one place: {env: NAME} or {file: path}")
        return self

    def reveal(self, *, purpose: str) -> str:
        """The secret itself, without surrounding white space.

        Args:
            purpose: what it is for, in the error when it is missing.
        Raises:
            SecretMissing: the variable is unset or empty, or the file cannot be read.
        """
        if self.literal is not None:
            return redact.register_url(self.literal.get_secret_value())
        if self.env is not None:
            value = os.environ.get(self.env, "").strip()
            if not value:
                raise SecretMissing(
                    f"{purpose}: the environment variable {self.env} is not set",
                    safe="existing backups are untouched",
                    next=f"export {self.env}=… (or name a file: {{file: /path}}), then run this again",
                )
            return redact.register_url(value)
        assert self.file is not None
        try:
            value = self.file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise self._file_missing(purpose, "cannot be read", error.strerror or str(error)) from None
        except UnicodeDecodeError:
            raise self._file_missing(purpose, "cannot be read", "it is not text") from None
        if not value:
            raise self._file_missing(purpose, "is empty", "")
        return redact.register_url(value)

    def _file_missing(self, purpose: str, how: str, why: str) -> SecretMissing:
        return SecretMissing(
            f"{purpose}: {self.file} {how}",
            why=why,
            safe="existing backups are untouched",
            next=f"put the secret into {self.file} (mode 0600), then run this again",
        )


def _from_text(value: Any) -> Any:
    return {"literal": value} if isinstance(value, str) else value


Secret = Annotated[SecretRef, BeforeValidator(_from_text)]
"""A `SecretRef` field that also takes plain text."""
