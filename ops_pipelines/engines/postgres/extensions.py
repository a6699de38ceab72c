"""Extensions: which Debian package has one."""

# Where the package is not called after the extension.
_PACKAGES = {
    "pg_cron": "cron", "vector": "pgvector", "pgq": "pgq3", "postgis": "postgis-3", "postgis_raster": "postgis-3",
    "postgis_topology": "postgis-3", "postgis_tiger_geocoder": "postgis-3", "postgis_sfcgal": "postgis-3",
    "address_standardizer": "postgis-3", "h3_postgis": "h3", "pg_partman": "partman", "pg_repack": "repack",
    "pgtap": "pgtap", "hll": "hll", "pg_stat_kcache": "pg-stat-kcache", "pg_qualstats": "pg-qualstats",
    "timescaledb": "timescaledb", "orafce": "orafce", "ip4r": "ip4r", "rum": "rum", "age": "age",
}  # fmt: skip
_CONTRIB = (
    "amcheck", "bloom", "btree_gin", "btree_gist", "citext", "cube", "dblink", "dict_int", "earthdistance", "file_fdw",
    "fuzzystrmatch", "hstore", "intarray", "isn", "lo", "ltree", "pg_buffercache", "pg_stat_statements", "pg_trgm",
    "pgcrypto", "pgrowlocks", "pgstattuple", "postgres_fdw", "seg", "sslinfo", "tablefunc", "unaccent", "uuid-ossp",
    "xml2",
)  # fmt: skip


def package_of(extension: str, major: int) -> str:
    """The Debian package that most probably has an extension, or a library of that name."""
    if extension in _CONTRIB:
        return f"postgresql-{major}"
    return f"postgresql-{major}-{_PACKAGES.get(extension, extension.replace('_', '-').lower())}"
