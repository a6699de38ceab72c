"""mlflow's tracking database (SQLAlchemy, alembic): made by its own migrations, with experiments, runs and models."""

from pathlib import Path
from urllib.parse import quote

from tests.conftest import MakeWorkspace
from tests.conftest import TestServer as PostgresServer
from tests.engines.mysql.conftest import TestServer as MysqlServer
from tests.field.conftest import HERE, PYTHON, Login, application, mysql_login, needed, postgres_login
from tests.oracle.rounds import mysql_round, postgres_round


def _installed(login: Login, directory: Path) -> None:
    needed(PYTHON)
    account = f"{login.user}:{quote(login.password, safe='')}"
    url = {
        "postgresql": f"postgresql+psycopg2://{account}@{login.host}:{login.port}/{login.database}",
        "mysql": f"mysql+pymysql://{account}@{login.host}/{login.database}?unix_socket={login.socket}",
    }[login.engine]
    application([PYTHON, HERE / "mlflow_data.py", url], directory, {"MLFLOW_DISABLE_TELEMETRY": "true"})


def test_experiments_on_postgresql(field_pg: PostgresServer, tmp_path: Path, make_workspace: MakeWorkspace) -> None:
    login = postgres_login(field_pg)
    _installed(login, tmp_path)
    postgres_round(field_pg, login.database, make_workspace)


def test_experiments_on_mysql(field_mysql: MysqlServer, tmp_path: Path, make_workspace: MakeWorkspace) -> None:
    login = mysql_login(field_mysql)
    _installed(login, tmp_path)
    mysql_round(field_mysql, login.database, make_workspace)
