"""What a kit must carry so that backups can be read elsewhere: identities, restic's passwords, keys of stores.

URLs of sources stay out on purpose: who recovers needs a new server, and a kit that is lost must not open production.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ops_pipelines.errors import OpsError
from ops_pipelines.vault import codec
from ops_pipelines.workspace import Workspace

SECOND = "keys/second.key"
"""The identity that exists in the kit only."""
VALUES = "secrets.env"
SIGNING = "signing"


@dataclass
class Carried:
    """The files of a kit's secret half.

    Attributes:
        identities: private keys by their path in the kit.
        values: other secrets by the name of the variable that they are exported as.
        signing: what this installation signs with, by name below `signing/`.
        missing: what could not be resolved on this machine, in words.
    """

    identities: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    signing: dict[str, bytes] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def files(self) -> dict[str, bytes]:
        """What goes into the sealed half."""
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in self.values.items())
        keys = {path: f"{text.strip()}\n".encode() for path, text in self.identities.items()}
        signing = {f"{SIGNING}/{name}": content for name, content in self.signing.items()}
        return {**keys, **signing, VALUES: f"# Read by a shell: . ./{VALUES}\n{exports}".encode()}


def gather(workspace: Workspace) -> Carried:
    """Resolve everything that recovery needs; what cannot be is named, not an error."""
    carried = Carried()
    try:
        # A kit may be older than the first backup: it has to believe that one, too.
        workspace.signing.signer(workspace.clock.now())
        carried.signing = workspace.signing.files()
    except OpsError as error:
        carried.missing.append(error.what)
    for name, source in workspace.config.sources.items():
        try:
            for identity in workspace.identities(name):
                if identity not in carried.identities.values():
                    carried.identities[f"keys/{name}.key"] = identity
        except OpsError as error:
            carried.missing.append(error.what)
        if source.repository_password is not None:
            try:
                password = source.repository_password.reveal(purpose=f"source {name}, password")
                carried.values[restic_variable(name)] = password
            except OpsError as error:
                carried.missing.append(error.what)
    for name, store in workspace.config.stores.items():
        if store.key_variables:
            try:
                keys = workspace.stores[name].repository(next(iter(workspace.config.sources))).environment
            except OpsError as error:
                carried.missing.append(f"store {name}: {error.what}")
            else:
                carried.values |= {store_variable(name, key): value for key, value in keys.items()}
    return carried


def restic_variable(source: str) -> str:
    """The variable with the restic password of a source."""
    return f"RESTIC_PASSWORD_{source.upper()}"


def store_variable(store: str, key: str) -> str:
    """The variable with one of a store's keys: `OFFSITE_AWS_ACCESS_KEY_ID`."""
    return f"{store.upper()}_{key}"


def public_keys(identities: Sequence[str]) -> list[str]:
    """The recipients that these identities open for; SSH keys do not tell."""
    return sorted({codec.public_key(identity) for identity in identities} - {""})


def signing_in(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """What an opened kit signs with, by name."""
    return {path.removeprefix(f"{SIGNING}/"): data for path, data in files.items() if path.startswith(f"{SIGNING}/")}


def identities_in(files: Mapping[str, bytes]) -> dict[str, str]:
    """The private keys of an opened kit, by path."""
    return {path: data.decode() for path, data in files.items() if path.startswith("keys/")}
