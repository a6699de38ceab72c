"""What HTTP calls an error of ours, on pages and in the API."""

from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.ledger import LedgerError
from ops_pipelines.probes.graphql import DagsterSilent
from ops_pipelines.web.operations import NothingSuch

_STATUSES: tuple[tuple[type[OpsError], int], ...] = ((NothingSuch, 404), (DagsterSilent, 502), (LedgerError, 503))
_CANNOT_BE_DONE_NOW = 409


def status_of(error: OpsError) -> int:
    """The status of the answer that tells an error."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), _CANNOT_BE_DONE_NOW)
