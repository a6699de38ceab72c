"""What a MongoDB address says, in the words that pymongo knows."""

from typing import NoReturn
from urllib.parse import quote

from pymongo import uri_parser
from pymongo.errors import PyMongoError

from ops_pipelines import redact
from ops_pipelines.engines.address import Address, is_applications_own, not_understood, parse, unreadable

_SECRETS = ("tlscertificatekeyfilepassword", "authmechanismproperties", "proxypassword")
# Of other drivers, and of versions of them that are gone.
_OTHERS_WORDS = """
autoindex autoreconnect buffercommands buffermaxentries family keepalive nodelay poolsize reconnectinterval
reconnecttries safe serverapi slaveok usecreateindex usefindandmodify usenewurlparser useunifiedtopology
"""
_HARMLESS = frozenset(_OTHERS_WORDS.split())
_INSTEAD = "say it in MongoDB's own words: tls=true&tlsCAFile=/path/to/ca.pem"


def read(text: str) -> tuple[Address, list[tuple[str, str]]]:
    """A URL taken apart, and those of its parameters that are passed on.

    Raises:
        SourceError: it cannot be read, or holds something that is not understood; it repeats no part but names.
    """
    address, kept = parse(text, "mongodb"), []
    for key, value in address.options:
        if key.lower() in _SECRETS:
            redact.register(value)
        if _is_known(key, value):
            kept.append((key, value))
        elif key.lower() not in _HARMLESS and not is_applications_own(key):
            _refused(key)
    return address, kept


def _is_known(key: str, value: str) -> bool:
    """Whether pymongo takes a parameter; what it does not know or cannot read it would pass over with a warning.

    Raises:
        SourceError: it knows the name, and not the value.
    """
    try:
        uri_parser.split_options(f"{key}={quote(value, safe='')}", validate=True, warn=False)
    except OSError as error:
        unreadable("mongodb", f"the file of {key} cannot be read: {error.strerror}")
    except (PyMongoError, ValueError, TypeError) as error:
        if str(error).startswith(f"Unknown option: {key.lower()}"):
            return False
        _refused(key)
    return True


def _refused(key: str) -> NoReturn:
    about_tls = any(word in key.lower() for word in ("ssl", "tls", "cert"))
    not_understood("mongodb", key, instead=_INSTEAD if about_tls else "")
