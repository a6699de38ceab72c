"""Migration heads: how far an application's schema has been migrated, by the table its tool keeps.

The head is recorded with the fingerprint, in the dump's snapshot, and must be the same after the restore: an
application that meets a database of another head does not start. Only plain SQL stands here, for any SQL engine.
"""

from collections.abc import Iterable, Iterator

# Tool, its table, and a query that yields one value which changes with every migration.
_TOOLS = (
    ("alembic", "alembic_version", "select max(version_num) from {table}"),
    ("django", "django_migrations", "select concat(count(*), ' up to ', max(id)) from {table}"),
    ("rails", "schema_migrations", "select concat(count(*), ' up to ', max(version)) from {table}"),
    ("laravel", "migrations", "select concat(count(*), ' up to ', max(migration)) from {table}"),
    (
        "prisma",
        "_prisma_migrations",
        "select concat(count(*), ' up to ', max(migration_name)) from {table} where finished_at is not null",
    ),
    (
        "flyway",
        "flyway_schema_history",
        "select concat(max(installed_rank), ', failed ', sum(case when success then 0 else 1 end)) from {table}",
    ),
    ("liquibase", "databasechangelog", "select concat(count(*), ' up to ', max(orderexecuted)) from {table}"),
    ("knex", "knex_migrations", "select concat(count(*), ' up to ', max(name)) from {table}"),
    ("sequelize", "SequelizeMeta", "select concat(count(*), ' up to ', max(name)) from {table}"),
)


def recognised(tables: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The tools whose tables are there, each with the query for its head.

    Args:
        tables: quoted names as SQL takes them, with or without a schema in front.
    """
    for quoted in tables:
        bare = quoted.rsplit(".", 1)[-1].strip('"`')
        for tool, table, query in _TOOLS:
            if bare.lower() == table.lower():
                yield f"{tool} {quoted}", query.format(table=quoted)
