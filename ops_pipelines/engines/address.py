"""Addresses of databases in the spellings that people have in their `.env`: taken apart, and never shown whole.

What is common to the engines: quotes around a value, the words before `://`, a password whose special characters
nobody encoded, parameters that only an application needs. What the other parameters mean is each engine's `address`.
An address that cannot be read in exactly one way is refused without a word of it being repeated.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import unquote

from ops_pipelines import redact
from ops_pipelines.errors import SourceError

_FAMILIES: Mapping[str, str] = {
    "postgres": "postgres", "postgresql": "postgres", "postgis": "postgres", "pgsql": "postgres", "psql": "postgres",
    "pdo-pgsql": "postgres", "timescale": "postgres", "timescalegis": "postgres",
    "mysql": "mysql", "mysql2": "mysql", "mariadb": "mysql", "mysqli": "mysql", "pdo-mysql": "mysql",
    "mysqlgis": "mysql", "mysql-connector": "mysql",
    "mongodb": "mongodb", "mongodb+srv": "mongodb",
    "sqlite": "sqlite", "sqlite3": "sqlite", "spatialite": "sqlite",
}  # fmt: skip
_LABELS: Mapping[str, tuple[str, str]] = {
    "postgres": ("PostgreSQL", "postgresql://user:password@host:5432/database"),
    "mysql": ("MySQL", "mysql://user:password@host:3306/database"),
    "mongodb": ("MongoDB", "mongodb://user:password@host:27017/database"),
    "sqlite": ("SQLite", "paths: [/srv/app/app.sqlite3]"),
}
_ENCODED = "in user and password write @ : / ? # % as %40 %3A %2F %3F %23 %25"
# Words of libpq's other form, `host=… dbname=…`; a name of a database may hold "=" as well.
_PAIR = r"\w+\s*=\s*(?:'(?:[^'\\]|\\.)*'|[^\s'][^\s]*|(?=\s|\Z))"
_PAIRS = re.compile(rf"\s*{_PAIR}(?:\s+{_PAIR})*\s*")
_LIBPQ = re.compile(r"(?:^|\s)(?:host|hostaddr|port|user|password|dbname|service|passfile|options|sslmode)\s*=")
# What Go and others write: user:password@tcp(host)/database. It is none of ours, and holds a password all the same.
_LOGIN_LIKE = re.compile(r"[^/].*:.*@", re.DOTALL)
_HOST = r"(?:\[[\w:.%]+\]|(?:[\w.~-]|%[0-9A-Fa-f]{2})*)(?::\d{0,5})?"
_ITEM = r"[\w.%:\[\]-]+(?:=[^&#]*)?"
_PLACE = re.compile(
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)(?:/(?P<name>[^/?#@]*)/?)?(?:\?(?P<query>(?:{_ITEM}(?:&+|\Z))*))?"
)
_LOGIN = re.compile(r"(?P<user>[^:/?#]*)(?::(?P<password>.*))?", re.DOTALL)
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
# What frameworks, drivers, pools and desktop tools write for themselves; lower case, "_" for "-". None is about TLS.
_APPLICATIONS_WORDS = """
adapter advanced_safe_mode_level advancedsafemodelevel advisory_locks allowmultiqueries allownativepasswords
allowpublickeyretrieval application_name applicationname async_fallback autocommit autoreconnect
binary_parameters binary_prefix cacheprepstmts characterencoding charset checkout_timeout client_encoding
collation command_timeout conn_health_checks conn_max_age connect_timeout connection_limit connectionlimit
connectionpoolsize connectiontimezone connecttimeout createdatabaseifnotexist currentschema database_driver
default_query_exec_mode disable_server_side_cursors driverversion encoding engine env environment enviroment
idle_timeout init_command interpolateparams lazyload loc local_infile lock_timeout logintimeout max
max_client_conn max_connections max_overflow max_pool_size maxallowedpacket maxpoolsize min min_messages
minpoolsize multistatements mysql_engine name nullcatalogmeanscurrent parsetime pgbouncer pool
pool_max_conn_idle_time pool_max_conn_lifetime pool_max_conns pool_min_conns pool_mode pool_pre_ping
pool_recycle pool_size pool_timeout poolclass poolsize prefer_simple_protocol prefix
prepared_statement_cache_size prepared_statement_name_func prepared_statements preparethreshold
prepstmtcachesize prepstmtcachesqllimit read_timeout readtimeout reaping_frequency reconnect
rewritebatchedinserts rewritebatchedstatements safemodelevel schema schema_search_path search_path
servertimezone serverversion single_use_connections socket_timeout sockettimeout sql_mode
statement_cache_capacity statement_cache_size statement_limit statement_timeout statuscolor strict stringtype
supa tcpkeepalive timeout timezone tinyint1isbit useprivatekey usecursorfetch uselibpqcompat useserverprepstmts
useunicode
usingpgbouncer variables workaround write_timeout writetimeout x_migrations_table zerodatetimebehavior
"""
_APPLICATIONS_OWN = frozenset(_APPLICATIONS_WORDS.split())


@dataclass(frozen=True)
class Address:
    """An address, taken apart and decoded.

    Attributes:
        scheme: the words before `://`, in lower case, without `jdbc:`.
        jdbc: whether `jdbc:` was before them; some parameters mean another thing there.
        password: None when there is none; registered for redaction already.
        hosts: every host with its port, as it is written; empty when none is named.
        database: empty when none is named.
        options: the parameters, decoded, in their order.
    """

    scheme: str
    jdbc: bool
    user: str
    password: str | None = field(repr=False)
    hosts: tuple[str, ...]
    database: str
    options: tuple[tuple[str, str], ...] = field(repr=False)


def family(text: str) -> str | None:
    """Whose address a text is; None when it is none, or of nothing that we know."""
    before, separator, _rest = _bare(text)[0].partition("://")
    if separator and not is_pairs(text):
        before = before.lower().replace("_", "-")
        return _FAMILIES.get(before) or _FAMILIES.get(before.partition("+")[0])
    return "postgres" if _LIBPQ.search(text) else None


def is_pairs(text: str) -> bool:
    """Whether a text is of libpq's other form, `host=… dbname=…`; a value in it may well look like a URL."""
    return "://" not in text.partition("=")[0] and _LIBPQ.match(text) is not None


def is_address(text: str) -> bool:
    """Whether a text is an address of some kind, and not the bare name of a database or a folder."""
    return "://" in text or _LIBPQ.search(text) is not None or _LOGIN_LIKE.match(text) is not None


def can_be(text: str, wanted: str) -> bool:
    """Whether a target is a bare name, or an address of this family."""
    return not is_address(text) or family(text) == wanted


def parse(text: str, wanted: str) -> Address:
    """An address of one family, taken apart.

    Args:
        text: the address as it was given, in quotes perhaps.
    Raises:
        SourceError: it is another family's, or cannot be read in exactly one way; the error repeats nothing of it.
    """
    found = family(text)
    if found != wanted or "://" not in text:
        unreadable(wanted, f"it is an address of {_LABELS[found][0]}" if found else "it does not begin like one")
    bare, jdbc = _bare(text)
    before, _separator, rest = bare.partition("://")
    readings = list(_readings(rest))
    if not readings:
        unreadable(wanted, f"user, host and port cannot be separated; {_ENCODED}")
    if len(readings) > 1:
        unreadable(wanted, f"it has several @ and can be read in more than one way; {_ENCODED}")
    login, place = readings[0]
    hosts = tuple(each for each in place["hosts"].split(",") if each)
    if any(int(port or 1) not in range(1, 65536) for _host, port in map(split_host, hosts)):
        unreadable(wanted, "a port is no number from 1 to 65535")
    password = login["password"] if login else None
    options = [item.partition("=")[::2] for item in (place["query"] or "").split("&") if item]
    return Address(
        scheme=before.lower(),
        jdbc=jdbc,
        user=_decoded(login["user"], "user", wanted) if login else "",
        password=_secret(password, wanted) if password is not None else None,
        hosts=hosts,
        database=unquote(place["name"] or ""),
        options=tuple((unquote(key), unquote(value)) for key, value in options),
    )


def split_host(text: str) -> tuple[str, str]:
    """One host of an address and its port, which may be empty; brackets of IPv6 taken off, decoded."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return unquote(host), port.removeprefix(":")
    host, _, port = text.partition(":")
    return unquote(host), port


def plain(key: str) -> str:
    """A parameter's name in the form in which spellings of it are alike."""
    return key.lower().replace("-", "_")


def is_applications_own(key: str) -> bool:
    """Whether a parameter is of no meaning to a backup: it is left out, knowingly."""
    return plain(key) in _APPLICATIONS_OWN or key.lower().startswith(("3t.", "pool_"))


def not_understood(wanted: str, key: str, *, instead: str = "") -> NoReturn:
    """Refuse a parameter by its name; its value may be a secret. Raises SourceError."""
    name = key if re.fullmatch(r"[\w.-]{1,40}", key) else "one of its parameters"
    label, spelling = _LABELS[wanted]
    raise SourceError(
        f"the {label} URL has a parameter that is not understood: {name}",
        why="left out in silence, it could cost the connection its encryption or lead elsewhere",
        safe="nothing was connected to",
        next=instead or f"leave {name} out of the url that ops uses, which is like {spelling}",
    )


def unreadable(wanted: str, why: str) -> NoReturn:
    """Refuse an address. Raises SourceError."""
    label, spelling = _LABELS[wanted]
    raise SourceError(
        f"the {label} URL cannot be read", why=why, safe="nothing was connected to", next=f"write it like {spelling}"
    )


def shown(text: str) -> str:
    """A target for a human: a name or folder as it is, an address by its parts, without login and parameters.

    An address that cannot be read is not shown at all.
    """
    if not is_address(text) or text.startswith("file://"):
        return text
    whose = family(text)
    if whose == "postgres" and "://" not in text:
        return _shown_pairs(text)
    if whose is None or whose == "sqlite":
        return "the address given"
    try:
        found = parse(text, whose)
    except SourceError:
        return "the address given"
    hosts = unquote(",".join(found.hosts))
    return f"{found.database or 'no database'} on {hosts or _socket(found) or 'localhost'}"


def _socket(found: Address) -> str:
    return next((value for key, value in found.options if plain(key) in ("host", "socket", "unix_socket")), "")


def _shown_pairs(text: str) -> str:
    if not _PAIRS.fullmatch(text):
        return "the address given"
    pairs = dict(re.findall(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']\S*)", text))
    where = pairs.get("host") or pairs.get("hostaddr") or pairs.get("service") or "localhost"
    return f"{pairs.get('dbname', 'no database')} on {where}"


def _bare(text: str) -> tuple[str, bool]:
    """Without white space, quotes and `jdbc:`; the latter is told."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"`":
        text = text[1:-1].strip()
    return (text[5:], True) if text[:5].lower() == "jdbc:" else (text, False)


def _readings(rest: str) -> Iterator[tuple[re.Match[str] | None, re.Match[str]]]:
    """Every way to tell login and place apart: the @ between them may stand in a password as well."""
    if (place := _PLACE.fullmatch(rest)) is not None:
        yield None, place
    for at in (index for index, character in enumerate(rest) if character == "@"):
        login, place = _LOGIN.fullmatch(rest[:at]), _PLACE.fullmatch(rest[at + 1 :])
        if login is not None and place is not None:
            yield login, place


def _secret(text: str, wanted: str) -> str:
    password = _decoded(text, "password", wanted)
    redact.register(text)
    return redact.register(password)


def _decoded(text: str, what: str, wanted: str) -> str:
    """User or password, whether or not its special characters were encoded."""
    codes = len(_ESCAPE.findall(text))
    if not codes:
        return text
    if codes < text.count("%") or re.search("[/?#@]", text):
        unreadable(wanted, f"some characters of its {what} are written as codes and others are not; {_ENCODED}")
    return unquote(text)
