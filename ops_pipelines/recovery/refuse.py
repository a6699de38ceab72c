"""Nothing that is restored for a trial may touch what is protected: targets that are a source are refused."""

from collections.abc import Iterator

from ops_pipelines.config.models import Config
from ops_pipelines.engines.address import shown
from ops_pipelines.engines.places import Place
from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.settings.secrets import SecretMissing


def refuse_sources(config: Config, name: str, to: str) -> list[str]:
    """Refuse a target that any source lives in; returns what could not be made sure of.

    First by how the target is spelled, which connects to nothing. What that does not find, the servers are asked.

    Args:
        name: the source whose engine writes to the target.
        to: a name beside that source, a URL or a folder.
    Raises:
        SafetyRefusal: the target is a source.
    """
    engine = config.engine(name)
    target = engine.place(to)
    for other, place in _places(config):
        if target is not None and place is not None and place.is_same_as(target):
            raise _refusal(to, other, "its address and name are those of the source; nothing was connected to")
    url, unsure = engine.locate(to), []
    for other in config.sources:
        try:
            taken = config.engine(other).is_source(url)
        except SecretMissing as error:
            unsure.append(f"it was not checked that {shown(to)} is another database than source {other}: {error.what}")
            continue
        if taken:
            raise _refusal(to, other, "")
    return unsure


def _refusal(to: str, source: str, why: str) -> SafetyRefusal:
    return SafetyRefusal(
        f"{shown(to)} is the source {source}",
        why=why,
        safe="nothing was changed",
        next=f"name a database or folder that is not a source; it is created for you; to replace {source} itself: "
        f"ops restore {source} --into-production",
    )


def refuse_shared_server(config: Config, name: str) -> None:
    """Refuse a source's `verify.server` on which any source lives: a verification restores roles, too.

    Raises:
        SafetyRefusal: nothing was connected to.
    """
    settings = config.source(name).verify.server
    if settings is None:
        return
    given = config.engine(name).place(settings.url.reveal(purpose=f"source {name}, verify.server.url"))
    if given is None:
        raise SafetyRefusal(
            f"where the verify.server of {name} lies is not clear from its url",
            safe="nothing was connected to",
            next="write it with a host and a port",
        )
    for other, place in _places(config):
        if place is None and config.source(other).kind == given.kind:
            raise SafetyRefusal(
                f"whether source {other} lives on the verify.server of {name} is not clear from its url",
                safe="nothing was connected to",
                next=f"write the url of {other} with a host and a port",
            )
        if place is not None and place.shares_server_with(given):
            raise SafetyRefusal(
                f"the verify.server of {name} is the server of source {other}",
                why="a verification restores roles, and a disposable server is one that nothing depends on",
                safe="nothing was connected to",
                next="start another server for verifications, or leave verify.server out",
            )


def _places(config: Config) -> Iterator[tuple[str, Place | None]]:
    for name in config.sources:
        try:
            yield name, config.engine(name).place()
        except SecretMissing:
            continue  # told by whoever asks the servers
        except OpsError:
            yield name, None
