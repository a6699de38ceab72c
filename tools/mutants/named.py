"""Ten changes that once passed the nearest tests, and the tests that must fail for each now."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One change.

    Attributes:
        says: what the changed code does wrong.
        path: of the file.
        find: a text that stands in it once.
        put: what stands there instead.
        tests: files or tests, the nearest; one of them must fail.
    """

    says: str
    path: str
    find: str
    put: str
    tests: Sequence[str]


CHANGES = (
    Change(
        "files are not flushed before the rename that publishes them",
        "ops_pipelines/vault/stores/directory.py",
        "            for path in staged.iterdir():\n                durable.flush(path)\n",
        "",
        ["tests/faults/disks/test_power_cut.py::test_the_first_backup_of_an_installation"],
    ),
    Change(
        "the folder that a restore point is published into is not flushed",
        "ops_pipelines/vault/stores/directory.py",
        "            durable.flush(final.parent)\n        return final\n",
        "        return final\n",
        ["tests/faults/disks/test_power_cut.py::test_the_first_backup_of_an_installation"],
    ),
    Change(
        "a restore point is published by a copy instead of one rename",
        "ops_pipelines/lease.py",
        "        path.rename(final)\n\n\ndef sweep",
        "        __import__('shutil').copytree(path, final)\n        remove_tree(path)\n\n\ndef sweep",
        ["tests/faults/disks/test_power_cut.py::test_the_first_backup_of_an_installation"],
    ),
    Change(
        "secrets are replaced one after another, the shortest first",
        "ops_pipelines/redact.py",
        "    shown: list[str] = []\n    end = 0\n",
        "    for value in sorted(_values, key=len):\n        text = text.replace(value, MASK)\n"
        "    shown: list[str] = []\n    end = 0\n",
        ["tests/unit/test_ground_floor.py"],
    ),
    Change(
        "only the source's own server is asked whether a target is a source",
        "ops_pipelines/recovery/refuse.py",
        "    for other in config.sources:\n        try:\n            taken",
        "    for other in [name]:\n        try:\n            taken",
        [
            "tests/recovery/test_refuse.py::test_a_restore_into_another_sources_folder_is_refused_and_leaves_nothing_there"
        ],
    ),
    Change(
        "an RPO counts from the end of the dump",
        "ops_pipelines/vault/catalogue.py",
        "        return self.manifest.started_at\n",
        "        return self.manifest.finished_at\n",
        ["tests/clocks/test_rpo.py::test_every_face_counts_from_the_start_of_the_dump"],
    ),
    Change(
        "a part that the restore did not read is not hashed",
        "ops_pipelines/recovery/verify.py",
        "            copy.hash_the_rest()\n",
        "",
        ["tests/recovery/test_every_part.py::test_damage_in_a_part_that_the_restore_does_not_read_is_found"],
    ),
    Change(
        "a manifest that is younger than its id is accepted",
        "ops_pipelines/vault/trust.py",
        "if manifest.started_at >= moment_of(backup_id) + timedelta(seconds=1):",
        "if False:",
        ["tests/vault/test_strangers.py::test_one_that_says_a_later_time_than_its_id_is_re_dated"],
    ),
    Change(
        "a verdict that cannot be read counts as a proof",
        "ops_pipelines/vault/catalogue.py",
        '                self._fault(store, backup_id, "verdict", error, name)\n',
        '                self._fault(store, backup_id, "verdict", error, name)\n'
        "                found = next(each for each in self.found if each.manifest.id == backup_id)\n"
        "                self._verdicts.setdefault(backup_id, {})[name] = Verdict(\n"
        '                    source=self._source, backup_id=backup_id, store=store.name, outcome="verified",\n'
        "                    started_at=found.manifest.started_at, finished_at=found.manifest.started_at,\n"
        "                    checks=[], seconds={},\n"
        "                )\n",
        ["tests/vault/test_strangers.py::test_a_verdict_of_ours_that_cannot_be_read_proves_nothing"],
    ),
    Change(
        "an inconclusive verdict hides the bad one before it",
        "ops_pipelines/vault/catalogue.py",
        "        return next(reversed(telling or ours), None)\n",
        "        return next(reversed(ours), None)\n",
        ["tests/unit/test_verdicts_together.py"],
    ),
    Change(
        "an inconclusive verdict ends what a bad one says of the whole backup",
        "ops_pipelines/vault/catalogue.py",
        '            if verdict.outcome == "verified":\n                return None\n',
        '            if verdict.outcome != "bad":\n                return None\n',
        ["tests/unit/test_verdicts_together.py"],
    ),
)
