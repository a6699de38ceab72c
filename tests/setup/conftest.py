"""The real servers that `ops init` is to find."""

from tests.engines.mongodb.conftest import mongo  # noqa: F401
from tests.engines.mysql.conftest import mariadb  # noqa: F401
