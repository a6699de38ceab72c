"""Which channel a URL means. A new kind is its own file and a line here."""

from urllib.parse import urlsplit

from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.settings.secrets import SecretRef
from ops_pipelines.watch.alerts.channels.apprise import AppriseChannel
from ops_pipelines.watch.alerts.channels.base import Channel, is_this_machine, keep_secret
from ops_pipelines.watch.alerts.channels.mail import Mail
from ops_pipelines.watch.alerts.channels.slack import Slack

_MAIL = ("smtp", "smtps", "mailto", "mailtos")


class NoSuchChannel(OpsError):
    """No channel of that name is configured, or its URL means nothing to us."""


def open_channel(name: str, url: SecretRef) -> Channel:
    """The channel behind a secret URL.

    Args:
        name: its name in `ops.yaml`; one with `slack` in it speaks Slack's contract wherever its host is.
    Raises:
        OpsError: the secret is missing, or the URL cannot be used.
    """
    revealed = url.reveal(purpose=f"alerts.channels.{name}")
    keep_secret(revealed)
    try:
        scheme, host = urlsplit(revealed).scheme.lower(), urlsplit(revealed).hostname or ""
    except ValueError:
        raise NoSuchChannel(f"the URL of channel {name} cannot be read") from None
    if scheme in _MAIL:
        return Mail.of(revealed)
    if scheme in ("https", "http") and ("slack" in name or host.startswith("hooks.slack")):
        if scheme == "http" and not is_this_machine(host):
            raise SafetyRefusal(
                f"channel {name} would send its secret address unencrypted", next="use https:// in its URL"
            )
        return Slack(revealed)
    return AppriseChannel(revealed)
