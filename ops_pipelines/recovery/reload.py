"""Compare definitions by effect: a scratch server reads the source's own text, and what it then prints is compared.

A server may print the same definition differently after one dump and reload, and again never after. In a scratch server
that was restored into anyway the definitions are loaded beside what came back. A user's target is only read: for it, a
scratch server of its own gets the definitions without any rows.
"""

from collections.abc import Mapping

from ops_pipelines.config.models import Config
from ops_pipelines.engines.base import Prover
from ops_pipelines.engines.offers import Reloader
from ops_pipelines.errors import Inconclusive
from ops_pipelines.places import Places
from ops_pipelines.recovery.compare import Reload, by_the_letter
from ops_pipelines.recovery.enclosed.engine import enclosed
from ops_pipelines.recovery.enclosed.ours import ours
from ops_pipelines.scratch import scratch_directory
from ops_pipelines.vault.reader import Copy


def in_scratch(engine: Prover, target: str) -> Reload:
    """For a restore into a scratch server.

    Args:
        target: the scratch server's database that was restored into.
    """
    if not isinstance(engine, Reloader):
        return by_the_letter
    reloader: Reloader = engine
    return lambda definitions: reloader.reloaded(target, definitions)


def beside_target(config: Config, places: Places, engine: Prover, copy: Copy) -> Reload:
    """For a restore into somebody's own server, which is only read.

    Returns:
        What starts a scratch server when it is asked. Where none can be had, texts are compared by the letter.
    """
    if not isinstance(engine, Reloader):
        return by_the_letter

    def reloaded(definitions: Mapping[str, str]) -> Mapping[str, str]:
        manifest = copy.manifest
        with scratch_directory(places.scratch, manifest.kind) as directory:
            try:
                apart = enclosed(config, manifest, ours(config))
                assert isinstance(apart, Reloader)
                with apart.scratch(directory, manifest.engine) as target:
                    apart.restore_definitions(copy, manifest.engine, target, work=directory)
                    return apart.reloaded(target, definitions)
            except Inconclusive:
                return {}

    return reloaded
