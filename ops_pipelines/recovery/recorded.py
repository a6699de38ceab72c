"""An activity of the ledger where there is a ledger: a restore does not need one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from ops_pipelines.ledger.ledger import Entry, Ledger, LedgerError


@contextmanager
def recorded(
    ledger: Callable[[], Ledger], kind: str, *, source: str, backup_id: str, store: str, warnings: list[str]
) -> Iterator[Entry]:
    """Record an attempt around the block as `Ledger.activity` does; a ledger that cannot be used is a warning.

    Args:
        ledger: opens it.
        warnings: told of it.
    """
    stack = ExitStack()
    try:
        entry = stack.enter_context(ledger().activity(kind, source=source, backup_id=backup_id, store=store))
    except LedgerError as error:
        warnings.append(f"not recorded: {error.what} ({error.why})")
        yield Entry()
        return
    try:
        with stack:
            yield entry
    except LedgerError as error:
        # It went away meanwhile; what was done is done.
        warnings.append(f"its end is not recorded: {error.what} ({error.why})")
