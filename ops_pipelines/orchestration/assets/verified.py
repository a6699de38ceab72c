"""The `verified` asset: the farthest copy, restored into a scratch server and compared."""

import dagster as dg

from ops_pipelines.clock import human_duration
from ops_pipelines.errors import StoreError
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.assets.common import Chain, show_failure
from ops_pipelines.orchestration.days import is_todays, points_of_day
from ops_pipelines.orchestration.describe import bullets, past_metadata, proof_metadata, verdict_metadata
from ops_pipelines.recovery.rotation import reprove, turns
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.watch.situations import proved_badly


class VerifyConfig(dg.Config):
    """What to verify, when it is not the newest restore point of the day from the farthest store."""

    backup_id: str = ""
    store: str = ""


def build_verified(chain: Chain) -> dg.AssetsDefinition:
    """The proof of a source's day."""
    settings = chain.source.verify
    workspace, watcher = chain.installation.workspace, chain.installation.watcher
    key = chain.names.verified(chain.name)

    @dg.asset(
        key=key,
        # Not on the copies: one store that is down must not keep the others from being proved.
        deps=[chain.names.dump(chain.name, chain.source.kind)],
        op_tags=chain.tags_of("verify"),
        kinds={chain.source.kind},
        freshness_policy=chain.freshness,
        check_specs=[
            dg.AssetCheckSpec(names.PROOF_CHECK, asset=key, description=_PROOF),
            dg.AssetCheckSpec(names.ROTATION_CHECK, asset=key, description=_ROTATION),
        ],
        description=(
            f"The newest restore point of `{chain.name}` of the day, fetched from the farthest store, restored into a "
            "throwaway server and compared with what the source held. A backup counts only after this."
        ),
        **chain.options,
    )
    def verified(context: dg.AssetExecutionContext, config: VerifyConfig) -> dg.MaterializeResult:  # type: ignore[type-arg]  # dagster takes no parameter beside check_specs
        with chain.step(context):
            point = _chosen(context, config, chain)
            verdict = verify(
                workspace, point, store=config.store or None, progress=watcher.watch(context), run_id=context.run.run_id
            )
            situation = proved_badly(chain.name, verdict, workspace.catalogue(chain.name))
        metadata = {**verdict_metadata(verdict), **past_metadata(workspace, chain.name)}
        if verdict.outcome == "verified":
            return dg.MaterializeResult(
                metadata=metadata,
                check_results=[_proof(verdict), _rotation(context, config, chain)],
            )
        safe = f"  safe: {situation.safe}\n" if situation.safe else ""
        failure = dg.Failure(
            description=(
                f"{chain.name}: {point.id} from {verdict.store} is {verdict.outcome.upper()}: {verdict.reason}\n"
                f"  why: {situation.what}\n{safe}  next: {situation.next}"
            ),
            metadata=metadata,
            allow_retries=False,
        )
        # Only an inconclusive verification is tried again. A retry policy would try again what somebody stopped, too.
        if verdict.outcome == "inconclusive" and context.retry_number < settings.retries:
            pause = settings.retry_after * 2**context.retry_number
            watcher.watch(context)(f"inconclusive, once more in {human_duration(pause)}: {verdict.reason}", 0, None)
            raise dg.RetryRequested(max_retries=settings.retries, seconds_to_wait=pause.total_seconds()) from failure
        show_failure(context, failure)
        raise failure

    return verified


_PROOF = (
    "The verification compared everything that `fingerprint` asks for; what it did not compare is named with its cure."
)
_ROTATION = "Old backups are verified again: every retained copy, in every store, within `verify.reprove_within`."


def _proof(verdict: Verdict) -> dg.AssetCheckResult:
    """Whether as much was compared as is configured; less is a warning, since the backup was restored all the same."""
    return dg.AssetCheckResult(
        check_name=names.PROOF_CHECK,
        passed=not verdict.weaker,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=proof_metadata(verdict),
    )


def _rotation(context: dg.AssetExecutionContext, config: VerifyConfig, chain: Chain) -> dg.AssetCheckResult:
    """Prove older copies again, when this run is today's."""
    workspace, name = chain.installation.workspace, chain.name
    progress = chain.installation.watcher.watch(context)
    todays = is_todays(context, workspace.clock.now()) and not config.backup_id
    with chain.installation.step():
        verdicts = list(reprove(workspace, name, progress=progress, run_id=context.run.run_id) if todays else ())
        longest_ago = next(iter(turns(workspace.catalogue(name), workspace.clock.now())), None)
    return dg.AssetCheckResult(
        check_name=names.ROTATION_CHECK,
        passed=all(verdict.outcome == "verified" for verdict in verdicts),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "proved_again": dg.MetadataValue.md(
                bullets(f"{each.backup_id} from {each.store}: {each.words}, {each.reason}" for each in verdicts)
                or "nothing was due"
            ),
            **({"proved_longest_ago": dg.MetadataValue.timestamp(longest_ago[0])} if longest_ago else {}),
        },
    )


def _chosen(context: dg.AssetExecutionContext, config: VerifyConfig, chain: Chain) -> RestorePoint:
    name = chain.name
    catalogue = chain.installation.workspace.catalogue(name)
    if config.backup_id:
        point = catalogue.find(config.backup_id)
    else:
        point = next(reversed(points_of_day(context, chain, catalogue)), None)
    if point is None:
        raise StoreError(
            f"{name} has no restore point {config.backup_id or f'of {context.partition_key}'} to verify",
            why="; ".join(catalogue.messages),
            next=f"ops list {name}",
        )
    return point
