"""The backup report: where else than below `base` it is written."""

from pathlib import Path

from pydantic import Field

from ops_pipelines.settings.common import Model


class Report(Model):
    """The backup report; `base/reports/latest.md` always has it, in Markdown."""

    path: Path | None = Field(
        None,
        description="the newest report is written here as well, after everything that changes it; as HTML with charts "
        "where the name ends in .html, else in Markdown",
        examples=["docs/16-generated/backup-report.md"],
    )
