"""A definition that came back differently is shown to a human, line by line, and to nobody else."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from typer.testing import CliRunner

from ops_pipelines.backup.take import take_backup
from ops_pipelines.cli.main import app
from ops_pipelines.config.models import Config
from ops_pipelines.engines.base import Engine, Restored
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.recovery.verify import verify
from ops_pipelines.workspace import Workspace
from tests.conftest import MakeWorkspace, TestServer

_LIMIT = timedelta(minutes=1)
_SOURCE = "select id from orders where state in ('new', 'paid')"


class _Tampered(Config):
    """A configuration whose restores lose a value of a view."""

    def engine(self, name: str) -> Engine:
        engine = super().engine(name)
        whole: Callable[..., Restored] = engine.restore

        def restore(parts: Any, facts: Any, target: str, **how: Any) -> Restored:
            restored = whole(parts, facts, target, **how)
            with session(Server(target, connect=_LIMIT), limit=_LIMIT) as opened:
                opened.rows("create or replace view public.open_orders as"
                            " select id from public.orders where state in ('new')")  # fmt: skip
            return restored

        engine.restore = restore  # type: ignore[method-assign]
        return engine


def test_a_lost_value_is_shown_as_a_line_of_source_and_restored(
    pg18: TestServer, make_workspace: MakeWorkspace
) -> None:
    name = pg18.new_database()
    pg18.sql(
        "create table orders (id int primary key, state varchar(9) check (state in ('new', 'paid')))",
        f"create view open_orders as {_SOURCE}",
        database=name,
    )
    made = make_workspace(pg18.url(name), verify={"isolation": "none"})
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    verdict = verify(Workspace(_Tampered.model_construct(**dict(made.workspace.config))), point)
    assert verdict.reason == (
        "schema: relation public.open_orders is defined differently (line by line: ops verify crm --show)"
    )
    assert "paid" not in verdict.model_dump_json()

    logs = made.workspace.config.base / "verify/crm"
    assert {path.stat().st_mode & 0o777 for path in (logs, *logs.iterdir())} == {0o700, 0o600}
    [log] = logs.glob("*.log")
    assert "relation public.open_orders\n" in log.read_text("utf-8")

    asked = ["verify", "crm", "--show", "--config", str(made.path / "ops.yaml")]
    shown = CliRunner().invoke(app, asked)
    lines = [line.strip() for line in shown.output.splitlines()]
    assert (shown.exit_code, "relation public.open_orders" in lines) == (2, True), shown.output
    assert {line[:1] for line in lines if line[:1] in "-+" and "paid" in line} == {"-"}
    document = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)
    [found] = document["verifications"]
    source, restored = found["differences"]["relation public.open_orders"]
    assert ("paid" in source, "paid" in restored) == (True, False)
    # What needs no reload to be told apart is not blamed: the check reads differently after one, and does the same.
    assert list(found["differences"]) == ["relation public.open_orders"]
