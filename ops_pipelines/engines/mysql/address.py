"""What a MySQL or MariaDB address says, in the words of any driver: whom to reach, and how it is encrypted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from ops_pipelines import redact
from ops_pipelines.engines.address import is_applications_own, not_understood, parse, plain, split_host, unreadable

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
# What is asked of the encryption, weakest first; whichever of several words asks for most is what is done.
OFF, PREFERRED, REQUIRED, VERIFIED = range(4)
_MODES: Mapping[str, int] = {
    "disabled": OFF, "disable": OFF, "preferred": PREFERRED, "prefer": PREFERRED, "allow": PREFERRED,
    "required": REQUIRED, "require": REQUIRED, "trust": REQUIRED, "no-verify": REQUIRED, "skip-verify": REQUIRED,
    "verify-ca": VERIFIED, "verify-full": VERIFIED, "verify-identity": VERIFIED,
    **dict.fromkeys(_YES, REQUIRED), **dict.fromkeys(_NO, OFF),
}  # fmt: skip
_MODE_WORDS = ("ssl_mode", "sslmode")
_ON, _CHECKED = ("usessl", "requiressl"), ("ssl_verify", "ssl_verify_cert", "ssl_verify_identity", "sslverify")
_CHECKED_TOO = ("verifyservercertificate", "ssl_check_hostname")
_FILES = {
    "ssl_ca": "ca", "sslca": "ca", "sslrootcert": "ca", "serversslcert": "ca",
    "ssl_cert": "cert", "ssl_key": "key", "sslkey": "key",
}  # fmt: skip
_OURS = ("socket", "unix_socket", "user", "password")
_INSTEAD = "say it in MySQL's own words: ssl-mode=VERIFY_IDENTITY&ssl-ca=/path/to/ca.pem, or ssl-mode=REQUIRED"


@dataclass(frozen=True)
class Encryption:
    """What an address asks of the encryption: one of the levels, or None where it says nothing; and its files."""

    level: int | None
    ca: str = ""
    cert: str = ""
    key: str = ""


@dataclass(frozen=True)
class Spoken:
    """An address in our words. `port` is None when none is named."""

    user: str
    password: str
    host: str
    port: int | None
    socket: str
    database: str
    encryption: Encryption


def read(text: str) -> Spoken:
    """What a URL says, in any of its spellings.

    Raises:
        SourceError: it cannot be read, or holds something that is not understood; it repeats no part but names.
    """
    address = parse(text, "mysql")
    if len(address.hosts) > 1:
        unreadable("mysql", "it names several hosts; a backup is taken from one")
    host, port = split_host(address.hosts[0]) if address.hosts else ("", "")
    options = {plain(key): value for key, value in address.options}
    for key, _value in address.options:
        if not _is_understood(key):
            _refused(key)
    if options.get("password"):
        redact.register(options["password"])
    return Spoken(
        user=options.get("user", address.user),
        password=options.get("password", address.password or ""),
        host=host,
        port=int(port) if port else None,
        socket=options.get("socket") or options.get("unix_socket") or "",
        database=address.database,
        encryption=_encryption(options),
    )


def _is_understood(key: str) -> bool:
    words = (*_OURS, *_MODE_WORDS, *_ON, *_CHECKED, *_CHECKED_TOO, *_FILES)
    more = ("ssl", "tls", "sslaccept", "sslcert", "ssl_disabled", "trustservercertificate", "tlsmode")
    return plain(key) in (*words, *more) or is_applications_own(key)


def _encryption(options: Mapping[str, str]) -> Encryption:
    files = {_FILES[key]: value for key, value in options.items() if key in _FILES and value}
    if path := options.get("sslcert"):
        # Prisma means the authority's by it; whoever has a certificate of his own has its key as well.
        files["cert" if "key" in files else "ca"] = path
    asked = [level for key, value in options.items() if (level := _level(key, value)) is not None]
    if files and max(asked, default=REQUIRED) <= PREFERRED:
        asked.append(REQUIRED)
    refused_to_check = any(_flag(options, key) is False for key in (*_CHECKED, "verifyservercertificate"))
    a_mode = any(options.get(key) for key in (*_MODE_WORDS, "tls", "sslaccept"))
    if files and not asked:
        asked.append(REQUIRED)
    # Who names a certificate authority wants the server to be who it says it is.
    if "ca" in files and not refused_to_check and not a_mode:
        asked.append(VERIFIED)
    return Encryption(max(asked) if asked else None, **files)


def _level(key: str, value: str) -> int | None:
    """What one parameter asks of the encryption; None when it asks nothing."""
    word = value.lower().replace("_", "-")
    if key in _MODE_WORDS:
        return _MODES[word] if word in _MODES else _refused(key)
    if key == "tls":  # Go's driver: true is checked, another name is a configuration in the program
        return VERIFIED if word in _YES else _MODES[word] if word in _MODES else _refused(key)
    if key == "ssl":
        return _of_ssl(value)
    if key == "sslaccept":
        return {"strict": VERIFIED, "accept-invalid-certs": REQUIRED}[word] if word in _ACCEPTED else _refused(key)
    if key in _ON:
        return {True: REQUIRED, False: OFF, None: None}[_said(key, value)]
    if key in (*_CHECKED, "verifyservercertificate"):
        return VERIFIED if _said(key, value) else None
    if key == "trustservercertificate":
        return REQUIRED if _said(key, value) else None
    if key == "ssl_disabled":
        return OFF if _said(key, value) else REQUIRED
    if (key == "ssl_check_hostname" and not _said(key, value)) or (key == "tlsmode" and value != "0"):
        _refused(key)
    return None


_ACCEPTED = ("strict", "accept-invalid-certs")


def _of_ssl(value: str) -> int | None:
    """`ssl=` is a flag, a mode, or the options of a driver for node in JSON."""
    if value.lstrip().startswith("{"):
        try:
            given = json.loads(value)
        except ValueError:
            _refused("ssl")
        checked = given.get("rejectUnauthorized", True)
        return VERIFIED if checked else REQUIRED if set(given) <= {"rejectUnauthorized"} else _refused("ssl")
    word = value.lower().replace("_", "-")
    return _MODES[word] if word in _MODES else None if not word else _refused("ssl")


def _flag(options: Mapping[str, str], key: str) -> bool | None:
    return _said(key, options[key]) if options.get(key) else None


def _said(key: str, value: str) -> bool | None:
    if value and value.lower() not in (*_YES, *_NO):
        _refused(key)
    return value.lower() in _YES if value else None


def _refused(key: str) -> NoReturn:
    about_tls = any(word in key.lower() for word in ("ssl", "tls", "cert", "trust"))
    not_understood("mysql", key, instead=_INSTEAD if about_tls else "")
