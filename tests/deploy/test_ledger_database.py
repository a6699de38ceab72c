"""The ledger on PostgreSQL: under the plain URL that people write, for two first starts at once."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from ops_pipelines.ledger.ledger import HEAD, Ledger, LedgerError
from tests.conftest import PASSWORD, TestServer


def test_two_first_starts_at_once_make_one_ledger(pg18: TestServer) -> None:
    database = pg18.new_database()
    url = f"postgresql://boss:{quote(PASSWORD, safe='')}@127.0.0.1:{pg18.port}/{database}"
    with ThreadPoolExecutor() as threads:
        first, second = threads.map(lambda _each: Ledger(url), range(2))
    with first.activity("dump", source="crm") as entry:
        entry.backup_id = "20261121T020000Z-0a1b2c3d"
    assert [row.backup_id for row in second.recent()] == ["20261121T020000Z-0a1b2c3d"]
    assert pg18.sql("select version_num from alembic_version", database=database) == [(HEAD,)]


@pytest.mark.parametrize(
    "url", ["mysql://u:canary-pw-8@127.0.0.1/x", "postgresql+nosuch://u:canary-pw-8@h/x", "nonsense"]
)
def test_a_url_that_no_ledger_can_have_is_explained_without_its_password(url: str) -> None:
    with pytest.raises(LedgerError) as raised:
        Ledger(url)
    assert "canary" not in str(raised.value)
