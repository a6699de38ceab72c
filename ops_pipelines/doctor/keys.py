"""Questions about what a recovery needs: a second key, the recovery kit, a drill, the standard tools."""

import shutil
from collections.abc import Iterator
from datetime import timedelta

from ops_pipelines.clock import human_duration
from ops_pipelines.doctor.question import Answer, Measure, Question, attention, failed, well
from ops_pipelines.doctor.shared import Shared
from ops_pipelines.drill.report.keep import kept_reports, read_report
from ops_pipelines.recovery.kit.check import check_kit

SUBJECT = "recovery"
_DRILLS = timedelta(days=35)
_BY_HAND = ("age", "zstd", "sha256sum")


def questions(shared: Shared) -> Iterator[Question]:
    """About what a recovery needs."""
    yield Question(SUBJECT, "second key", lambda: _second_key(shared))
    yield Question(SUBJECT, "recovery kit", lambda: _kit(shared))
    yield Question(SUBJECT, "drill", lambda: _drill(shared))
    yield Question(SUBJECT, "standard tools", lambda: _tools(shared))


def _second_key(shared: Shared) -> Answer:
    config = shared.workspace.config
    encrypted = {name: each.encrypt for name, each in config.sources.items() if each.encrypt is not None}
    if not encrypted:
        return attention("nothing is encrypted", "add defaults: {encrypt: {age: [age1…]}}; a key: age-keygen")
    single = [name for name, each in encrypted.items() if len(each.age) == 1]
    if single:
        return attention(
            f"one lost key loses every backup of {', '.join(single)}",
            "ops kit --to /media/usb/kit --new-identity   # then add the identity it names to encrypt.age",
        )
    return well(f"any of {min(len(each.age) for each in encrypted.values())} keys opens every backup")


def _kit(shared: Shared) -> Answer:
    drills = shared.workspace.config.drills
    if drills is None or drills.kit is None:
        return attention(
            "ops.yaml names none",
            "ops kit --to /media/usb/kit   # then: drills: {kit: {directory: /media/usb/kit}}",
        )
    kit = drills.kit
    if not kit.directory.exists():
        return attention(f"{kit.directory} is not there: not mounted?", f"ops kit --to {kit.directory}")
    secrets = {
        word: ref.reveal(purpose=f"drills.kit.{word}")
        for word, ref in (("passphrase", kit.passphrase), ("identity", kit.identity))
        if ref is not None
    }
    found = check_kit(shared.workspace, shared.config_path, kit.directory, **secrets)
    wrong = [f"{each.name}: {each.detail}" for each in found.checks if not each.passed]
    if not found.opens:
        return failed("; ".join(wrong), f"ops kit --to {kit.directory}")
    if not found.current:
        return attention("; ".join(wrong), f"ops kit --to {kit.directory}")
    how = "opens the newest backups" if found.proved else "has the keys of the newest backups"
    return well(f"{kit.directory} {how}, made {found.index.made_at:%Y-%m-%d}")


def _drill(shared: Shared) -> Answer:
    workspace = shared.workspace
    drills = workspace.config.drills
    allowed = drills.overdue_after if drills is not None else _DRILLS
    again = f"ops drill {workspace.config.scenario}"
    newest = kept_reports(workspace.places)
    if not newest:
        return attention("no recovery was ever rehearsed", again)
    last = read_report(newest[0])
    age = max(timedelta(0), workspace.clock.now() - last.finished_at)
    measure = Measure("drill", round(age.total_seconds()), "s", allowed.total_seconds())
    said = f"{last.scenario} {'passed' if last.passed else 'FAILED'} {human_duration(age)} ago"
    if not last.passed:
        return failed(f"{said}: {'; '.join(last.problems[:2])}", f"less {newest[0]}/report.md; then: {again}",
                      measures=[measure])  # fmt: skip
    if age > allowed:
        return attention(f"{said}, and should be every {human_duration(allowed)}", again, measures=[measure])
    return well(said, measure)


def _tools(shared: Shared) -> Answer:
    missing = [each for each in _BY_HAND if shutil.which(each) is None]
    if any(each.legacy is not None and each.legacy.passphrase for each in shared.workspace.config.sources.values()):
        missing += ["openssl"] if shutil.which("openssl") is None else []
    if missing:
        return attention(
            f"without {', '.join(missing)} nothing can be restored by hand here", f"apt-get install {' '.join(missing)}"
        )
    return well(f"{', '.join(_BY_HAND)} are here for a restore by hand")
