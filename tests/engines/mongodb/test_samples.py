"""`fingerprint: sample`: documents chosen by how they begin, the same ones wherever they are read from."""

import secrets
from zlib import crc32

import bson

from ops_pipelines.engines.base import Contents
from ops_pipelines.engines.mongodb.documents import Tally
from ops_pipelines.recovery.compare import compare
from tests.engines.mongodb.conftest import Protect, TestServer

ROWS = 11_000


def documents(rows: int) -> list[bytes]:
    return [bson.encode({"_id": f"urn:contact:{i:08}", "name": f"contact {i} " * 5}) for i in range(rows)]


def changed(held: list[bytes], number: int) -> list[bytes]:
    """The same with another end of one document."""
    return [*held[:number], held[number].replace(b" \0\0", b".\0\0"), *held[number + 1 :]]


def tallied(found: list[bytes], seed: int = 7) -> Contents:
    tally = Tally("sample", seed)
    for start in range(0, len(found), 1000):
        tally.add(b"".join(found[start : start + 1000]))
    return Contents(level="sample", tables={"contacts": tally.facts()}, seed=seed)


def differences(held: Contents, found: Contents) -> list[str]:
    return [each.detail for each in compare(held, found) if not each.passed]


def test_a_sample_is_the_same_in_any_order_and_finds_what_changed_in_it() -> None:
    held = documents(ROWS)
    fingerprint = tallied(held)
    digested = fingerprint.tables["contacts"].digested
    assert digested is not None and ROWS / 200 < digested < ROWS / 50
    assert differences(fingerprint, tallied(held[::-1])) == []
    assert tallied(held, seed=8).tables["contacts"].digest != fingerprint.tables["contacts"].digest
    in_it, outside = (
        next(i for i, each in enumerate(held) if (crc32(each[4:64], 7) % 100 == 0) == wanted)
        for wanted in (True, False)
    )
    assert differences(fingerprint, tallied(changed(held, outside))) == []
    told = f"contacts has different content in its {digested} sampled of its {ROWS} rows"
    assert differences(fingerprint, tallied(changed(held, in_it))) == [told]


def test_small_collections_are_digested_whole() -> None:
    held = documents(10_000)
    assert tallied(held).tables["contacts"].digested == 10_000
    assert differences(tallied(held), tallied(changed(held, 9_999))) == [
        "contacts has different content in its 10000 rows"
    ]


def test_a_sampled_backup_is_verified(mongo: TestServer, protect: Protect) -> None:
    database = mongo.new_database()
    database["many"].insert_many({"i": i, "v": secrets.token_hex(4)} for i in range(ROWS))
    database["changelog"].insert_many({"fileName": f"{i}-made.js", "appliedAt": i} for i in range(10))
    light = protect(mongo.url(database.name), fingerprint="sample")
    manifest = light.take()
    assert (manifest.contents.level, manifest.contents.rows) == ("sample", ROWS + 10)
    verdict = light.verify()
    assert (verdict.outcome, verdict.failed) == ("verified", [])
    assert "migrate-mongo changelog: 10 up to 9-made.js" in {check.detail for check in verdict.checks}
    [said] = [check.detail for check in verdict.checks if check.name == "content"]
    assert said.endswith(f" of {ROWS + 10} rows, in 2 of 2 tables, with the same content")
