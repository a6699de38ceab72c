"""Bring applications back: their sources in order, then the checks by which one sees that they work."""

import socket
import time
import urllib.request
from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.error import HTTPError

from ops_pipelines import process
from ops_pipelines.config.drills import CommandProbe, HttpProbe, Probe, SqlProbe
from ops_pipelines.drill.context import Drill
from ops_pipelines.drill.record import GroupResult, Loss
from ops_pipelines.drill.recover import Alive, recover, total_rto
from ops_pipelines.engines.folders import folder_of
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.language.said import said
from ops_pipelines.personal import masked
from ops_pipelines.recovery.assertions import run_check
from ops_pipelines.redact import redact, register
from ops_pipelines.settings.checks import SqlCheck
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.verdict import Check

_AGAIN_S = 0.2
_READ_BYTES = 1024 * 1024

Choice = Callable[[str], tuple[RestorePoint | None, str, Loss | None]]
"""Given a source: its restore point, the store, and what is lost; None and "" leave the choice to `recover`."""


def _free_choice(_name: str) -> tuple[RestorePoint | None, str, Loss | None]:
    return None, "", None


def recover_application(drill: Drill, name: str, choose: Choice = _free_choice) -> dict[str, Alive]:
    """Recover an application and check it; the result is added to the drill. Returns what runs."""
    application = drill.applications[name]
    started, alive, results = time.monotonic(), dict[str, Alive](), []
    drill.say(said("application {name}, in this order: {sources}", name=name, sources=list(application.sources)))
    for source in application.sources:
        point, store, loss = choose(source)
        result, living = recover(drill, source, alive, point=point, store=store, loss=loss)
        results.append(result)
        what = said("what was restored and asserted of {source}", source=source)
        drill.keep(f"{source}.json", result.model_dump_json(indent=1), what)
        if living is not None:
            alive[source] = living
    checks = []
    if all(each.passed for each in results):
        checks = [check_application(drill, probe, alive) for probe in application.checks]
    elif application.checks:
        drill.notes.append(said("{name}: its own checks were not run, since not every source came back", name=name))
    drill.groups.append(
        GroupResult(
            name=name,
            sources=results,
            checks=checks,
            took_s=round(time.monotonic() - started, 3),
            rto_s=total_rto(drill, name).total_seconds(),
        )
    )
    return alive


def check_application(drill: Drill, probe: Probe, alive: Mapping[str, Alive]) -> Check:
    """Run one of an application's own checks on what came back."""
    if isinstance(probe, CommandProbe):
        found = _patiently(probe.startup, lambda: _command(drill, probe, environment(alive)))
    elif isinstance(probe, HttpProbe):
        found = _http(drill, probe, environment(alive))
    else:
        there, asked = alive[probe.source], probe.model_dump(exclude={"source"}, exclude_none=True)
        found = run_check(there.engine, there.target, SqlCheck.model_validate(asked), as_of=there.manifest.started_at)
    check = found.model_copy(update={"name": f"{probe.name}", "detail": _told(probe, found.detail)})
    detail = check.detail.splitlines()[0][:200]
    if check.passed:
        drill.say(said("check {name} holds: {detail}", name=check.name, detail=detail))
    else:
        drill.say(said("check {name} FAILED: {detail}", name=check.name, detail=detail))
    return check


def _told(probe: Probe, words: str) -> str:
    """What a check says, for everybody who reads the report; a question's answer is masked where it is asked."""
    return masked(redact(words)) if probe.mask and not isinstance(probe, SqlProbe) else redact(words)


def environment(alive: Mapping[str, Alive]) -> dict[str, str]:
    """Where the restored sources are, for an application: `CRM_DATABASE_URL`, `CRM_UPLOADS_FOLDER`."""
    found = {}
    for name, each in alive.items():
        kind = kind_of(each.manifest.kind)
        if kind.on_disk:
            found[f"{name.upper()}_FOLDER"] = str(folder_of(each.target))
        else:
            found[f"{name.upper()}_DATABASE_URL"] = register(kind.for_applications(each.target))
    return found


def _patiently(startup: timedelta, attempt: Callable[[], Check]) -> Check:
    """Try until it holds or the start-up allowance is over."""
    deadline = time.monotonic() + startup.total_seconds()
    while True:
        check = attempt()
        if check.passed or time.monotonic() >= deadline:
            return check
        time.sleep(_AGAIN_S)


def _command(drill: Drill, probe: CommandProbe, given: Mapping[str, str]) -> Check:
    limits = process.Limits(stall=probe.limit, total=probe.limit, grace=timedelta(seconds=2))
    directory = drill.directory / "checks"
    directory.mkdir(mode=0o700, exist_ok=True)
    try:
        done = process.run(probe.command, limits=limits, env=given, cwd=directory)
    except process.CommandFailed as error:
        return Check(name=probe.name, passed=False, detail=f"{error.what}: {error.why}" if error.why else error.what)
    printed = done.stdout.decode(errors="replace").strip()
    drill.keep(
        f"check-{probe.name}.txt",
        _told(probe, f"{printed}\n{done.stderr}"),
        said("what the command of check {name} printed", name=probe.name),
    )
    return Check(name=probe.name, passed=True, detail=(printed.splitlines() or ["exit status 0"])[-1])


def _http(drill: Drill, probe: HttpProbe, given: Mapping[str, str]) -> Check:
    """Start the application, ask it, stop it."""
    port = _free_port()
    life = probe.startup + probe.limit + timedelta(seconds=30)
    limits = process.Limits(stall=life, total=life, grace=timedelta(seconds=2))
    directory = drill.directory / "checks"
    directory.mkdir(mode=0o700, exist_ok=True)
    try:
        with process.running(
            probe.start, limits=limits, env={**given, "PORT": str(port)}, cwd=directory, stdout=2
        ) as app:
            check = _patiently(probe.startup, lambda: _ask(probe, port, app))
            drill.keep(
                f"check-{probe.name}.txt",
                _told(probe, app.stderr()),
                said("what the application of check {name} printed", name=probe.name),
            )
    except process.CommandFailed as error:
        return Check(name=probe.name, passed=False, detail=f"{error.what}: {error.why}")
    return check


def _ask(probe: HttpProbe, port: int, app: process.Running) -> Check:
    url = f"http://127.0.0.1:{port}{probe.path}"
    if app.exited():
        return Check(name=probe.name, passed=False, detail=f"the application ended: {app.stderr_tail()}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy's loopback is not ours
    try:
        with opener.open(url, timeout=probe.limit.total_seconds()) as answer:
            status, body = answer.status, answer.read(_READ_BYTES).decode(errors="replace")
    except HTTPError as error:
        status, body = error.code, error.read(_READ_BYTES).decode(errors="replace")
    except (OSError, ValueError) as error:
        return Check(name=probe.name, passed=False, detail=f"{probe.path}: {error}")
    answered = f"{probe.path} answered {status}, {len(body)} characters"
    if status != probe.status:
        return Check(name=probe.name, passed=False, detail=f"{answered}, {probe.status} was expected")
    if probe.contains not in body:
        return Check(name=probe.name, passed=False, detail=f"{answered}, without {probe.contains!r}")
    return Check(name=probe.name, passed=True, detail=answered)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
