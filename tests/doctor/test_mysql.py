"""What a MariaDB account lacks is named, and the statement beside it gives it."""

from dataclasses import replace

from ops_pipelines.engines.mysql.settings import MySQLSource
from tests.engines.mysql.conftest import TestServer, mariadb  # noqa: F401 - a fixture


def test_an_account_is_given_what_it_lacks_by_the_statements_it_is_told(mariadb: TestServer) -> None:  # noqa: F811
    name = mariadb.new_database("least_role")
    mariadb.sql(
        "create table t (a int)",
        "create view v as select a from t",
        "create procedure p() select 1",
        "create trigger g before insert on t for each row set new.a = 1",
        database=name,
    )
    account = mariadb.account()
    mariadb.sql(f"grant insert on {name}.* to {account.user}@localhost")
    examiner = MySQLSource(kind="mysql", url=replace(account, database=name).url(), accounts=False).examiner("crm")
    # MariaDB has a right of its own for it since 11.3.
    own_right = "show create routine" in {str(row[0]).lower() for row in mariadb.sql("show privileges")}
    granted = []
    while lacks := examiner.lacks():
        assert len(granted) < 5, lacks
        granted.append(lacks[0])
        mariadb.sql(lacks[0].grant)
    assert [(each.needed, each.grant.split(" TO ")[0]) for each in granted] == [
        (True, f"GRANT EVENT, SELECT, SHOW VIEW, TRIGGER ON `{name}`.*"),
        (False, f"GRANT SHOW CREATE ROUTINE ON `{name}`.*" if own_right else "GRANT SELECT ON mysql.proc"),
        (False, "GRANT RELOAD ON *.*"),
    ]
    assert "mariadb-dump" in examiner.programs() and examiner.clock() is not None
    mariadb.sql(f"drop database {name}")
