"""Questions about `ops.yaml`: is it valid, who can read what it names, is every secret there? And about clocks."""

import os
import stat
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ops_pipelines.clock import human_duration
from ops_pipelines.config.models import Config
from ops_pipelines.config.sentry import Sentry
from ops_pipelines.doctor.question import Answer, Measure, Question, attention, failed, well
from ops_pipelines.doctor.shared import Shared
from ops_pipelines.doctor.signatures import signing_key
from ops_pipelines.errors import OpsError
from ops_pipelines.settings.common import Settings
from ops_pipelines.settings.secrets import SecretMissing, SecretRef
from ops_pipelines.text import shell

SUBJECT = "configuration"
_OTHERS_READ, _OTHERS_WRITE = 0o077, 0o022
_NAMED = 3


def questions(shared: Shared) -> Iterator[Question]:
    """About the file and what it names."""
    yield Question(SUBJECT, "ops.yaml", lambda: _valid(shared))
    yield Question(SUBJECT, "file modes", lambda: _modes(shared))
    yield Question(SUBJECT, "secrets", lambda: _secrets(shared))
    yield Question(SUBJECT, "signing key", lambda: signing_key(shared))
    if shared.workspace.config.sentry.dsn is not None:
        yield Question(SUBJECT, "Sentry", lambda: _sentry(shared.workspace.config.sentry))


def skew(clock_ahead: timedelta, whose: str, name: str) -> Answer:
    """An answer about a clock.

    Args:
        clock_ahead: how far the other one is ahead of this machine's.
        name: of the measure.
    """
    seconds = clock_ahead.total_seconds()
    measure = Measure(f"{name}_clock", round(seconds, 3), "s", _NOTICED_S, _WRONG_S)
    if abs(seconds) < _NOTICED_S:
        return well("agrees with this machine's", measure)
    said = f"{whose} is {human_duration(abs(clock_ahead))} {'ahead of' if seconds > 0 else 'behind'} this machine"
    fix = ("timedatectl   # which of the two is wrong? set it: timedatectl set-ntp true",)
    return (failed if abs(seconds) >= _WRONG_S else attention)(said, *fix, measures=[measure])


_NOTICED_S, _WRONG_S = 5.0, 300.0


def _valid(shared: Shared) -> Answer:
    config = shared.workspace.config
    named = [f"{len(config.sources)} sources", f"{len(config.stores)} stores beside local"]
    return well(f"{shared.config_path} is valid: {', '.join(named)}")


def _modes(shared: Shared) -> Answer:
    config, path = shared.workspace.config, shared.config_path
    refs = list(_secrets_in(config))
    secret = {ref.file for ref in refs if ref.file is not None and ref.file.is_file()}
    if any(ref.literal is not None and _has_password(ref.literal.get_secret_value()) for ref in refs):
        secret.add(path)
    readable = sorted(each for each in secret if stat.S_IMODE(each.stat().st_mode) & _OTHERS_READ)
    writable = [each for each in (path, path.parent) if _others_write(each)]
    if readable or writable:
        said = [f"others can read {_some(readable)}"] if readable else []
        said += [f"others can write {_some(writable)}"] if writable else []
        fix = [f"chmod 600 {shell(*map(str, readable))}"] if readable else []
        return failed(" and ".join(said), *fix, *([f"chmod go-w {shell(*map(str, writable))}"] if writable else []))
    if config.base.exists() and stat.S_IMODE(config.base.stat().st_mode) & _OTHERS_READ:
        return attention(f"others can list {config.base}", f"chmod 700 {shell(str(config.base))}")
    return well(f"{len(secret)} files with secrets are private")


def _others_write(path: Path) -> bool:
    found = path.stat()
    sticky = bool(found.st_mode & stat.S_ISVTX)
    return not sticky and bool(found.st_mode & _OTHERS_WRITE) and found.st_uid in (0, os.geteuid())


def _secrets(shared: Shared) -> Answer:
    config = shared.workspace.config
    refs = [ref for ref in _needed_here(config) if ref is not config.sentry.dsn]
    missing: dict[str, SecretMissing] = {}
    for ref in refs:
        try:
            ref.reveal(purpose="a secret")
        except SecretMissing as error:
            missing[ref.env or str(ref.file)] = error
    if missing:
        fix = [f"export {each}=…" if not each.startswith("/") else f"put the secret into {each}" for each in missing]
        return failed(f"missing: {', '.join(missing)}", *fix)
    return well(f"all {len(refs)} are there")


def _sentry(sentry: Sentry) -> Answer:
    if not sentry.on or sentry.dsn is None:
        variable = sentry.dsn.env if sentry.dsn is not None else ""
        return attention(f"off: {variable} is not set", f"export {variable}=https://KEY@HOST/PROJECT")
    from sentry_sdk.utils import BadDsn, Dsn  # noqa: PLC0415

    try:
        dsn = Dsn(sentry.dsn.reveal(purpose="sentry.dsn"))
    except (BadDsn, ValueError):
        # What the SDK says of it may be a piece of it.
        raise OpsError("the DSN is malformed", next="copy it from the project: https://KEY@HOST/PROJECT") from None
    profiles = f"profiles of {sentry.profiled:.0%}" if sentry.profiled else "no profiles"
    if sentry.profiles > sentry.profiled:
        profiles += f", which are not safe on Python {sys.version_info[0]}.{sys.version_info[1]}"
    return well(f"{dsn.host}, project {dsn.project_id}, environment {sentry.environment_name}, {profiles}")


def _needed_here(config: Config) -> Iterator[SecretRef]:
    """The secrets that this machine needs: a source's where it is dumped, its keys where it is proved."""
    if all(config.dumped_here(name) and config.proving_site(name) == config.here for name in config.sources):
        yield from _secrets_in(config)
        return
    yield from _secrets_in(config.model_copy(update={"sources": {}, "defaults": Settings()}))
    for name, source in config.sources.items():
        if config.dumped_here(name):
            yield from _secrets_in(source.model_copy(update={"encrypt": None}))
        if config.proving_site(name) == config.here:
            yield from _secrets_in(source.encrypt)


def _secrets_in(value: Any) -> Iterator[SecretRef]:
    if isinstance(value, SecretRef):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets_in(getattr(value, name))
    elif isinstance(value, dict):
        for each in value.values():
            yield from _secrets_in(each)
    elif isinstance(value, tuple):
        for each in value:
            yield from _secrets_in(each)


def _has_password(text: str) -> bool:
    return "password" in text or ("@" in text and ":" in text.split("@", maxsplit=1)[0].rsplit("://", maxsplit=1)[-1])


def _some(paths: list[Path]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(map(str, paths[:_NAMED])) + more
