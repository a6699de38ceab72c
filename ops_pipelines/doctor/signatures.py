"""Questions about signatures: is the key there, is what lies in the stores ours?"""

from ops_pipelines.doctor.question import Answer, attention, failed, well
from ops_pipelines.doctor.shared import Shared
from ops_pipelines.vault.signing.keys import SIGNING
from ops_pipelines.vault.trust import ALARMING, foreign_points, summary


def signing_key(shared: Shared) -> Answer:
    """The key with which the next backup is signed."""
    keys = shared.workspace.signing
    installation, trusted = keys.installation, keys.trusted
    if installation is None or not trusted:
        return well("there is none yet; the first backup creates it")
    if not (keys.directory / SIGNING).is_file():
        return failed(
            f"{keys.directory / SIGNING} is gone: the next backup cannot be signed",
            "ops key import DIR   # signing of an opened kit",
            "ops key new   # without a kit",
        )
    more = f", {len(trusted)} public keys are trusted" if len(trusted) > 1 else ""
    return well(f"installation {installation.id[:8]} ({installation.name}){more}")


def ours(shared: Shared, name: str) -> Answer:
    """Whether every restore point and verdict of a source in its stores is ours."""
    catalogue = shared.catalogue(name)
    strangers = catalogue.strangers
    foreign = foreign_points(strangers)
    beside = f"; {foreign}, and are left alone" if foreign else ""
    lines = summary(strangers, name)
    if not lines:
        count = len(catalogue.points)
        whose = {0: "there are no restore points yet", 1: "the one restore point is ours"}
        return well(f"{whose.get(count, f'all {count} restore points are ours')}{beside}")
    bad = any(each.standing in ALARMING for each in strangers)
    return (failed if bad else attention)(f"{'; '.join(lines)}{beside}", f"ops list {name}", f"ops sign {name}")
