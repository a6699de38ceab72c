"""The API: what pages show, read, and what buttons do, asked for. Who may do what is decided before it is reached."""

import json
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy import select

from ops_pipelines import __version__
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger import models as rows
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.settings.values import parse_duration
from ops_pipelines.watch.history import Made, restore_points
from ops_pipelines.watch.snapshots import Seen, Snapshot, snapshots
from ops_pipelines.web.access import OPERATOR
from ops_pipelines.web.api import models
from ops_pipelines.web.operations import Operations
from ops_pipelines.web.pages.lines import line_of
from ops_pipelines.web.statuses import status_of

VERSION = "/api/v1"
_ABOUT = (
    "Reading needs a token that may read (`web.token`), everything else one that may operate (`web.operate.token`), as "
    "`Authorization: Bearer …`. What is started runs in Dagster: follow `/runs/{run}` until `ended`."
)
_REFUSALS: dict[int | str, dict[str, Any]] = {
    404: {"model": models.Problem, "description": "there is nothing of that name"},
    409: {"model": models.Problem, "description": "it cannot be done now"},
    502: {"model": models.Problem, "description": "Dagster does not answer"},
    503: {"model": models.Problem, "description": "the ledger cannot be read or written"},
}
_Name = Annotated[str, Path(description="of a source")]
_Point = Annotated[str, Path(description="id of a restore point")]


def build_api(operations: Operations) -> FastAPI:
    """The API of one installation, to be mounted at `VERSION`."""
    api = FastAPI(
        title="ops_pipelines",
        version=__version__,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        responses=_REFUSALS,
        servers=[{"url": VERSION}],
        root_path_in_servers=False,
    )
    api.add_exception_handler(OpsError, _refused)
    api.add_exception_handler(RequestValidationError, _not_understood)
    _reading(api, operations)
    _starting(api, operations)
    _settling(api, operations)
    return api


def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OpsError)
    return JSONResponse(error.as_dict(), status_of(error))


def _not_understood(_request: Request, error: Exception) -> Response:
    """What is wrong and where, without what was sent: it may be long, or be nothing that JSON can say again."""
    assert isinstance(error, RequestValidationError)
    found = [{key: each[key] for key in ("type", "loc", "msg")} for each in error.errors()]
    return Response(json.dumps({"detail": found}), 422, media_type="application/json")


def _operator(request: Request) -> str:
    return str(request.scope.get(OPERATOR) or "")


_Operator = Annotated[str, Depends(_operator)]


def _reading(api: FastAPI, operations: Operations) -> None:
    workspace = operations.workspace

    @api.get("/sources")
    def sources() -> list[models.Source]:
        """Every source, as it was last looked at."""
        with workspace.ledger.session() as session:
            return [_source(operations, each) for each in snapshots(session, workspace.config.sources, Seen)]

    @api.get("/sources/{name}")
    def source(name: _Name) -> models.Source:
        """One source, as it was last looked at."""
        operations.known(name)
        with workspace.ledger.session() as session:
            [snapshot] = snapshots(session, [name], Seen)
        return _source(operations, snapshot)

    @api.get("/sources/{name}/restore-points")
    def points(name: _Name, newest: Annotated[int, Query(ge=1, le=500)] = 100) -> list[models.RestorePoint]:
        """Its restore points that some store still has, newest first."""
        operations.known(name)
        with workspace.ledger.session() as session:
            return [_point(each) for each in restore_points(session, name)[:newest]]

    @api.get("/activities")
    def activities(
        source: str = "", kind: str = "", status: str = "", newest: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> list[models.Activity]:
        """The newest rows of `ops_activities`, newest first."""
        wanted = {rows.Activity.source: source, rows.Activity.kind: kind, rows.Activity.status: status}
        query = select(rows.Activity).order_by(rows.Activity.turn.desc(), rows.Activity.id.desc()).limit(newest)
        query = query.where(*(column == value for column, value in wanted.items() if value))
        with workspace.ledger.session() as session:
            return [models.Activity.model_validate(each) for each in session.scalars(query)]

    @api.get("/incidents")
    def incidents() -> list[models.Incident]:
        """The open ones, oldest first."""
        return [_incident(each) for each in AlertLedger(workspace.ledger).open_incidents()]

    @api.get("/mutes")
    def mutes() -> list[models.Mute]:
        """Those that hold."""
        held = AlertLedger(workspace.ledger).mutes(workspace.clock.now())
        return [models.Mute.model_validate(each) for each in held]

    @api.get("/runs/{run}")
    def run(run: str) -> models.Run:
        """How a run is doing."""
        return models.Run.model_validate(operations.run(run))


def _starting(api: FastAPI, operations: Operations) -> None:
    @api.post("/sources/{name}/backups", status_code=202)
    def back_up(name: _Name, operator: _Operator) -> models.Started:
        """Dump, copy, prove and report; a backup that is under way already is the answer."""
        return _started(operations.back_up(name, operator))

    @api.post("/sources/{name}/restore-points/{point}/verifications", status_code=202)
    def verify(name: _Name, point: _Point, operator: _Operator) -> models.Started:
        """Restore it into a throwaway server and compare."""
        return _started(operations.verify(name, point, operator))

    @api.post("/sources/{name}/restore-points/{point}/restores", status_code=202)
    def restore(name: _Name, point: _Point, asked: models.Restore, operator: _Operator) -> models.Started:
        """Restore it beside the source, and compare."""
        return _started(operations.restore(name, point, asked.to, asked.only, operator))

    @api.post("/drills", status_code=202)
    def drill(asked: models.Drill, operator: _Operator) -> models.Started:
        """Play a disaster, away from production."""
        return _started(operations.drill(asked.scenario, operator))

    @api.post("/reports", status_code=202)
    def report(operator: _Operator) -> models.Started:
        """Write the report anew."""
        return _started(operations.report(operator))


def _settling(api: FastAPI, operations: Operations) -> None:
    @api.post("/incidents/{incident}/acknowledgement", status_code=204)
    def acknowledge(incident: str, operator: _Operator) -> None:
        """Stop the repeats of an incident until it ends or gets worse."""
        operations.acknowledge(incident, operator)

    @api.post("/mutes", status_code=201)
    def mute(asked: models.Muting, operator: _Operator) -> models.Mute:
        """Tell nobody of new troubles for a while."""
        try:
            length = parse_duration(asked.length)
        except ValueError as error:
            raise OpsError(str(error), safe="nothing is muted") from None
        made = operations.mute(asked.source, asked.rule, length, asked.reason, operator)
        return models.Mute.model_validate(made)

    @api.delete("/mutes/{mute}", status_code=204)
    def unmute(mute: str) -> None:
        """End a mute."""
        operations.unmute(mute)


def _started(run: str) -> models.Started:
    return models.Started(run=run, url=f"{VERSION}/runs/{run}")


def _source(operations: Operations, snapshot: Snapshot[Seen]) -> models.Source:
    line = line_of(operations.workspace.config, snapshot, operations.workspace.clock.now())
    seen = line.seen
    proof = seen.proof if seen is not None else None
    return models.Source(
        name=line.name,
        kind=line.kind,
        state=line.state,
        cause=line.cause,
        next=line.next,
        looked_at=line.at,
        recovery_point_age_s=line.age.total_seconds() if line.age is not None else None,
        rpo_s=line.rpo.total_seconds(),
        rto_s=line.rto.total_seconds(),
        last_restore_s=seen.restore_s if seen is not None else None,
        proof=proof.words if proof is not None else None,
        whole=proof is not None and proof.whole,
    )


def _point(made: Made) -> models.RestorePoint:
    return models.RestorePoint(
        id=made.id,
        started_at=made.started_at,
        size_bytes=made.size_bytes,
        rows=made.rows,
        stores=sorted(made.stores),
        verdict=made.verdict.words if made.verdict else None,
        verified_at=made.verdict.at if made.verdict else None,
    )


def _incident(row: rows.Incident) -> models.Incident:
    return models.Incident(
        id=row.id,
        severity=row.severity,
        rule=row.rule,
        source=row.source,
        store=row.store,
        title=str(row.told("title")),
        cause=str(row.told("cause")),
        next=str(row.told("next")),
        opened_at=row.opened_at,
        acknowledged_by=row.acked_by,
    )
