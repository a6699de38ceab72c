"""Every case of every engine."""

from tests.matrix import files, mongodb, mysql, postgres, stored

ENGINES = ("postgres", "mysql", "mongodb", "files")
CASES = [
    *(case for engine in ENGINES for case in stored.cases(engine)),
    *postgres.CASES,
    *mysql.CASES,
    *mongodb.CASES,
    *files.CASES,
]
