"""By what a MongoDB database is known before it is a source."""

from ops_pipelines.engines.clues import Clues, InService, Value


def _login(value: Value) -> InService:
    user, password = value("MONGO_INITDB_ROOT_USERNAME"), value("MONGO_INITDB_ROOT_PASSWORD")
    return InService(user, password, value("MONGO_INITDB_DATABASE"))


CLUES = Clues(
    scheme="mongodb",
    port=27017,
    images=("mongo",),
    variables=(
        (
            ("MONGO_HOST", "MONGODB_HOST"),
            ("MONGO_PORT", "MONGODB_PORT"),
            ("MONGO_USER", "MONGO_USERNAME", "MONGODB_USER", "MONGODB_USERNAME"),
            ("MONGO_PASSWORD", "MONGODB_PASSWORD"),
            ("MONGO_DATABASE", "MONGO_DB", "MONGODB_DATABASE", "MONGODB_DB"),
        ),
    ),
    login_options="?authSource=admin",
    login=_login,
)
