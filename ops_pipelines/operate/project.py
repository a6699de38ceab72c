"""Where Dagster has what is ours: which code location, under which names. A team may have put us among its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops_pipelines.errors import OpsError
from ops_pipelines.naming import SOURCE_TAG, Named
from ops_pipelines.probes.graphql import as_expected, ask
from ops_pipelines.starting import start_command

LIMIT_S, MOST_BYTES = 15.0, 64 * 2**20
_NODE = """assetKey { path } groupName isMaterializable jobNames tags { key value }
  repository { name location { name } }"""
_OURS = f"query ($keys: [AssetKeyInput!]) {{ assetNodes(assetKeys: $keys) {{ {_NODE} }} }}"
_GROUP = f"query ($group: AssetGroupSelector) {{ assetNodes(group: $group) {{ {_NODE} }} }}"
_BACKUP_STEPS = ("dump", "snapshot", "verified")


class NotLoaded(OpsError):
    """Dagster runs, and has nothing of that source."""


@dataclass(frozen=True)
class Project:
    """What Dagster loaded of one source.

    Attributes:
        url: of Dagster's web server.
        location, repository: where our jobs are.
        group: the source's assets.
        named: how ours is called there.
    """

    url: str
    location: str
    repository: str
    group: str
    named: Named

    def selector(self, job: str, assets: Sequence[Sequence[str]] = ()) -> Mapping[str, object]:
        """A job of ours, or the part of it that makes some assets."""
        chosen = {"assetSelection": [{"path": list(path)} for path in assets], "assetCheckSelection": None}
        return {
            "repositoryLocationName": self.location,
            "repositoryName": self.repository,
            "jobName": job,
            **(chosen if assets else {}),
        }

    def chain(self, source: str) -> list[Sequence[str]]:
        """The assets of one run of a source: its dump, its copies, its proof, the report. Raises DagsterSilent."""
        where = {"repositoryLocationName": self.location, "repositoryName": self.repository}
        data = ask(
            self.url,
            _GROUP,
            variables={"group": {**where, "groupName": self.group}},
            limit_s=LIMIT_S,
            most_bytes=MOST_BYTES,
        )
        with as_expected(self.url):
            paths = [each["assetKey"]["path"] for each in data["assetNodes"] if each["isMaterializable"]]
            own = [path for path in paths if path[:-1] == [*self.named.prefix, source]]
            steps = [path for path in own if path[-1] in _BACKUP_STEPS or path[-1].startswith("offsite_")]
            return [*steps, self.named.report_path]


def find_project(url: str, source: str) -> Project:
    """Where Dagster has a source.

    Args:
        url: of Dagster's web server.
    Raises:
        DagsterSilent: it does not answer.
        NotLoaded: it has another ops.yaml, an older one, or could not load ours.
    """
    # Only a project that has put us below a prefix has to look through all that it has.
    found = _proofs(url, source, [{"path": Named().verified_path(source)}]) or _proofs(url, source, None)
    if not found:
        raise NotLoaded(
            f"Dagster at {url} has no assets of {source}",
            why="its code location was loaded from another ops.yaml, before the source was added, or not at all",
            safe="nothing was started",
            next=f"reload the code location in Dagster's Deployment page; or start it anew: {start_command()}",
        )
    return found[0]


def _proofs(url: str, source: str, keys: list[dict[str, list[str]]] | None) -> list[Project]:
    data = ask(url, _OURS, variables={"keys": keys}, limit_s=LIMIT_S, most_bytes=MOST_BYTES)
    with as_expected(url):
        return [_project(url, each) for each in data["assetNodes"] if _is_proof_of(each, source)]


def _project(url: str, node: Any) -> Project:
    return Project(
        url=url,
        location=node["repository"]["location"]["name"],
        repository=node["repository"]["name"],
        group=node["groupName"],
        named=Named(tuple(node["assetKey"]["path"][:-2])),
    )


def _is_proof_of(node: Any, source: str) -> bool:
    ours = any(tag["key"] == SOURCE_TAG and tag["value"] == source for tag in node["tags"])
    return ours and node["assetKey"]["path"][-2:] == Named().verified_path(source)
