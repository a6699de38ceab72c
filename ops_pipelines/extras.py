"""Libraries that only some installations need, by the extra that brings them."""

from collections.abc import Iterator
from contextlib import contextmanager

from ops_pipelines.errors import OpsError

_EXTRAS = {
    "postgres": ("PostgreSQL sources", ("psycopg",)),
    "mysql": ("MySQL and MariaDB sources", ("pymysql",)),
    "mongodb": ("MongoDB sources", ("pymongo", "bson", "gridfs")),
    "s3": ("buckets", ("boto3", "botocore")),
    "celery": ("workers on several machines", ("celery", "dagster_celery", "kombu", "redis")),
    "web": ("the status page and /metrics", ("starlette", "uvicorn", "limits", "fastapi")),
    "sentry": ("messages to Sentry", ("sentry_sdk",)),
    "alerts": ("channels of other services than Slack and mail", ("apprise",)),
}
"""By name: what needs it, and the modules that it brings."""


class ExtraMissing(OpsError):
    """A library is not installed that only some installations need."""


@contextmanager
def needed(extra: str) -> Iterator[None]:
    """Import inside of the block what an extra brings.

    Args:
        extra: its name in `pip install 'ops-pipelines[…]'`.
    Raises:
        ExtraMissing: it is not installed.
    """
    what, modules = _EXTRAS[extra]
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in modules:
            raise
        raise ExtraMissing(
            f"{error.name} is not installed",
            why=f"{what} need it, and it comes with the extra {extra}",
            safe="nothing was started; existing backups are untouched",
            next=f"pip install 'ops-pipelines[{extra}]'   # or pipx install --force, where it came by pipx",
        ) from None
