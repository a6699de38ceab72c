"""Pieces of catalogue queries: what belongs to the user, and facts as text that survives a dump.

The session's search_path is empty, which still finds pg_catalog: nothing needs qualifying, and the server qualifies
every name of the user's.
"""

OURS = """
 n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
 and not exists (select from pg_catalog.pg_depend e
                  where e.objid = {oid} and e.classid = 'pg_catalog.{catalog}'::regclass and e.deptype = 'e')
"""


def ours(oid: str, catalog: str) -> str:
    """A condition: an object lies in a schema `n` of the user's and belongs to no extension."""
    return OURS.format(oid=oid, catalog=catalog)


def granted(acl: str, name: str = "r.rolname") -> str:
    """Privileges as sorted text.

    Args:
        name: how the role `r` is called.
    """
    return f"""(select string_agg(format('%s:%s:%s', coalesce({name}, 'public'), x.privilege_type, x.is_grantable),
               ',' order by {name} collate "C" nulls first, x.privilege_type collate "C", x.is_grantable)
          from aclexplode({acl}) x left join pg_roles r on r.oid = x.grantee)"""


def acl(column: str, kind: str, owner: str) -> str:
    """Privileges as sorted text; an empty ACL column means the default ones."""
    return granted(f"coalesce({column}, acldefault('{kind}', {owner}))")


def sorted_text(options: str) -> str:
    """Options as sorted text: pg_dump writes them by name."""
    return f"""(select string_agg(o, ',' order by o collate "C") from unnest({options}) o)"""


def column_options(options: str) -> str:
    """The options that a column can be given (ALTER COLUMN … SET), as sorted text.

    A server may keep notes of its own in the same place: 15.20 and 17.12 put `pg_attver=<number>` on every column,
    which no dump carries. https://www.postgresql.org/docs/current/sql-altertable.html
    """
    return f"""(select string_agg(o, ',' order by o collate "C") from unnest({options}) o
          where split_part(o, '=', 1) in ('n_distinct', 'n_distinct_inherited'))"""


def comment(oid: str, catalog: str) -> str:
    """An object's comment, with its label."""
    return f"obj_description({oid}, '{catalog}') as comment"


def index_keys(index: str, relation: str, schema: str, table: str) -> str:
    """What an index is made of, as the server prints it, without the names before.

    Args:
        index, relation, schema, table: rows of pg_index, pg_class (the index), pg_namespace, pg_class (its table).
    """
    return f"""substr(pg_get_indexdef({index}.indexrelid), length(format('CREATE %sINDEX %I ON %s%I.%I ',
         case when {index}.indisunique then 'UNIQUE ' end, {relation}.relname,
         case when {relation}.relkind = 'I' then 'ONLY ' end, {schema}.nspname, {table}.relname)) + 1)"""
