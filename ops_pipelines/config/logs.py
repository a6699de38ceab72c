"""Where structured logs go. `OPS_LOG_FILE` and `OPS_LOG_FORMAT` override it: see `environment`."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from ops_pipelines.settings.common import Model


class Logging(Model):
    """Structured logs: one event a line."""

    file: Path | None = Field(
        None, description="appended to, readable by us only; standard error by default", examples=["var/ops.log"]
    )
    format: Literal["json", "human"] | None = Field(None, description="human on a terminal, else json, by default")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least that is logged")
    rotate_mib: int = Field(10, ge=1, description="a larger file is rotated; four old ones are kept")
