"""What a PostgreSQL address says, in libpq's own words."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from ops_pipelines import redact
from ops_pipelines.engines.address import (
    Address,
    is_applications_own,
    is_pairs,
    not_understood,
    parse,
    plain,
    split_host,
    unreadable,
)
from ops_pipelines.errors import SourceError

SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
# Weakest first; whichever of several words asks for most is what is done.
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_MODE_WORDS = ("sslmode", "ssl_mode", "ssl", "requiressl", "sslaccept")
_SPOKEN: Mapping[str, str] = {
    **{mode: mode for mode in _MODES},
    **dict.fromkeys(("true", "1", "on", "yes", "required", "no-verify"), "require"),
    **dict.fromkeys(("disabled", "false", "0", "off", "no"), "disable"),
    "preferred": "prefer", "verify-identity": "verify-full",
}  # fmt: skip
_ACCEPT = {"strict": "verify-full", "accept_invalid_certs": "require"}
_FILES = {"ssl_ca": "sslrootcert", "ssl_root_cert": "sslrootcert", "ssl_cert": "sslcert", "ssl_key": "sslkey"}
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_SUPABASE_POOLER = "6543"
_NOT_CHECKING = "NonValidatingFactory"


def parameters(text: str) -> dict[str, str]:
    """The connection parameters of a URL, in any of its spellings, or of a `key=value` string.

    Raises:
        SourceError: it cannot be read, or holds something that is not understood; it repeats no part but names.
    """
    found = _of_url(parse(text, "postgres")) if "://" in text and not is_pairs(text) else _of_pairs(text)
    for key in SECRETS:
        if found.get(key):
            redact.register(found[key])
    if held := [key for key in SECRETS[1:] if found.get(key)]:
        raise SourceError(
            f"the PostgreSQL URL has {'an' if held[0][0] in 'os' else 'a'} {held[0]}",
            why="PostgreSQL's programs take it on their command line only, where everybody can read it",
            next=f"use a key file without a passphrase, mode 0600, and leave {held[0]} out",
        )
    return found


def _of_pairs(text: str) -> dict[str, str]:
    try:
        return {key: str(value) for key, value in conninfo_to_dict(text).items() if value is not None}
    except psycopg.Error:
        # libpq's own words quote what it stumbled over: half a password, when that holds a space.
        unreadable("postgres", "libpq does not know one of its words; a value with a space is written in 'quotes'")


def _of_url(address: Address) -> dict[str, str]:
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    found: dict[str, str] = {}
    if address.user:
        found["user"] = address.user
    if address.password:
        found["password"] = address.password
    places = [split_host(each) for each in address.hosts]
    for host, port in places:
        _refuse_a_pooler(host, port)
    if any(host for host, _port in places):
        found["host"] = ",".join(host for host, _port in places)
    if any(port for _host, port in places):
        found["port"] = ",".join(port for _host, port in places)
    if address.database:
        found["dbname"] = address.database
    files: dict[str, str] = {}
    for key, value in address.options:
        if plain(key) in _MODE_WORDS or plain(key) == "sslfactory":
            continue
        if key in known:
            found[key] = value
        elif plain(key) in _FILES:
            files[_FILES[plain(key)]] = value
        elif not is_applications_own(key) and (plain(key), value) != ("tlsmode", "0"):
            _refused(key)
    return {**files, **found, **_mode(address, files | found)}


def _refuse_a_pooler(host: str, port: str) -> None:
    """Hosted poolers that a name gives away: what is set in a session of theirs reaches other sessions.

    Raises:
        SourceError: it is one; the error names the address beside it that is none.
    """
    first, _, rest = host.partition(".")
    direct = ""
    if first.endswith("-pooler"):
        direct = f"host {first.removesuffix('-pooler')}.{rest}".rstrip(".")
    elif port == _SUPABASE_POOLER and host.endswith(("supabase.com", "supabase.co")):
        direct = f"port 5432 of {host}"
    if direct:
        raise SourceError(
            "the PostgreSQL URL leads to a connection pooler",
            why=f"{host}{f':{port}' if port else ''} lends its sessions to several clients: no snapshot can be held",
            safe="nothing was connected to",
            next=f"give ops the direct address: {direct}",
        )


def _mode(address: Address, found: Mapping[str, str]) -> dict[str, str]:
    """How the connection is encrypted: `sslmode`, and the certificates where the system's are meant."""
    said = [(plain(key), value.lower()) for key, value in address.options]
    asked = []
    for key, value in said:
        if key == "sslaccept":
            if value not in _ACCEPT or "sslcert" in found:
                not_understood("postgres", key, instead="write sslmode=verify-full&sslrootcert=/path/to/ca.pem")
            asked.append(_ACCEPT[value])
        elif key in _MODE_WORDS:
            if value.replace("_", "-") not in _SPOKEN:
                not_understood("postgres", key, instead=f"write sslmode={', '.join(_MODES)}: one of them")
            asked.append(_SPOKEN[value.replace("_", "-")])
    factory = next((value for key, value in address.options if plain(key) == "sslfactory"), "")
    if factory and not factory.endswith(_NOT_CHECKING):
        _refused("sslfactory")
    if address.jdbc and ("ssl", "true") in said and not factory and not {"sslmode", "ssl_mode"} & dict(said).keys():
        asked.append("verify-full")  # what it means to the JDBC driver
    if not asked:
        return {}
    strongest = max(asked, key=_MODES.index)
    # Of a driver that asks the system who may vouch for a server; libpq looks into the home directory.
    systems = ("sslaccept", "strict") in said and "sslrootcert" not in found
    return {"sslmode": strongest} | ({"sslrootcert": _system_certificates()} if systems else {})


def _system_certificates() -> str:
    bundles = (ssl.get_default_verify_paths().cafile, *_BUNDLES)
    return next((path for path in bundles if path and Path(path).exists()), "system")


def _refused(key: str) -> NoReturn:
    about_tls = any(word in key.lower() for word in ("ssl", "tls", "cert"))
    instead = "say it in libpq's words: sslmode=verify-full&sslrootcert=/path/to/ca.pem" if about_tls else ""
    if key.lower() == "targetservertype":
        instead = "say it in libpq's words: target_session_attrs=primary"
    not_understood("postgres", key, instead=instead)
