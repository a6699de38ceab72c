"""The addresses of a MongoDB server that people have."""

import pytest

from tests.engines.mongodb.conftest import PASSWORD, USER, Protect, TestServer


@pytest.mark.parametrize("words", ["", "&retryWrites=true&w=majority&useNewUrlParser=true"])
def test_a_password_that_nobody_encoded_lets_us_in(mongo: TestServer, protect: Protect, words: str) -> None:
    database = mongo.new_database()
    database.things.insert_many([{"n": number} for number in range(5)])
    backups = protect(
        f"'mongodb://{USER}:{PASSWORD}@127.0.0.1:{mongo.port}/{database.name}?authSource=admin&directConnection=true{words}'"
    )
    backups.take()
    assert backups.verify().outcome == "verified"
