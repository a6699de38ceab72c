"""DSSE envelopes, signed with the installation's key and opened again only in the one form in which they are written.

The key is the one that signs restore points, in another dress: minisign signs a BLAKE2b of 64 bytes, an envelope is
signed over a text that begins with `DSSEv1`, so that no signature of one can be passed off as one of the other.
https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from ops_pipelines.vault.signing.minisign import PublicKey, Signer

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_NO_NUMBER = bytes(8)


class BadEnvelope(Exception):
    """An envelope that is none, or whose signature does not fit; says why."""


def seal(statement: dict[str, Any], signer: Signer) -> bytes:
    """The envelope of a statement, as the content of a file.

    Args:
        statement: what JSON can say; keys are put in order, so that one statement has one form.
    """
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
    return _written(payload, key_id(signer.verifier), signer.key.sign(_encoded(payload)))


def unseal(envelope: bytes, keys: Iterable[PublicKey]) -> tuple[dict[str, Any], PublicKey]:
    """The statement in an envelope and the key that signed it.

    Args:
        keys: whose signatures are accepted.
    Raises:
        BadEnvelope: the signature is by none of them or does not fit, or a byte is not as it was written.
    """
    try:
        document = json.loads(envelope)
        payload = base64.b64decode(document["payload"], validate=True)
        (said,) = document["signatures"]
        signature = base64.b64decode(said["sig"], validate=True)
        name = str(said["keyid"])
    except (ValueError, KeyError, TypeError):
        raise BadEnvelope("it is no envelope of one signature") from None
    if _written(payload, name, signature) != envelope:
        raise BadEnvelope("it is not written as it was signed")
    for key in keys:
        if key_id(key) == name:
            try:
                Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, _encoded(payload))
                statement = json.loads(payload)
            except InvalidSignature:
                raise BadEnvelope("the signature does not fit") from None
            except ValueError:
                raise BadEnvelope("it holds no JSON") from None
            if not isinstance(statement, dict):
                raise BadEnvelope("it holds no statement")
            return statement, key
    raise BadEnvelope(f"it is signed with another key: {name}")


def pem(key: PublicKey) -> bytes:
    """A public key as `openssl` and `cosign` read it: SubjectPublicKeyInfo in PEM."""
    public = Ed25519PublicKey.from_public_bytes(key.raw)
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def read_pem(content: bytes) -> PublicKey:
    """The same, read; it does not say which number minisign gives it. Raises ValueError."""
    public = load_pem_public_key(content)
    if not isinstance(public, Ed25519PublicKey):
        raise ValueError("it is no Ed25519 key")
    return PublicKey(_NO_NUMBER, public.public_bytes(Encoding.Raw, PublicFormat.Raw))


def key_id(key: PublicKey) -> str:
    """What an envelope calls its key: SHA-256 of its SubjectPublicKeyInfo in DER, in hexadecimal."""
    public = Ed25519PublicKey.from_public_bytes(key.raw)
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _encoded(payload: bytes) -> bytes:
    """What is signed: the pre-authentication encoding."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _written(payload: bytes, name: str, signature: bytes) -> bytes:
    """The one form of an envelope: a flipped byte anywhere in it is noticed."""
    document = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": name, "sig": base64.b64encode(signature).decode()}],
    }
    return (json.dumps(document, indent=1) + "\n").encode()
