"""Any of the services that Apprise knows, by its URL: chat, pagers, SMS, plain JSON."""

import logging

from ops_pipelines import text
from ops_pipelines.errors import OpsError
from ops_pipelines.extras import needed
from ops_pipelines.redact import redact
from ops_pipelines.watch.alerts.channels.base import NotDelivered, bounded
from ops_pipelines.watch.alerts.message import Message


class UnknownService(OpsError):
    """Apprise does not know the service of a URL."""


class AppriseChannel:
    """A service behind an Apprise URL. Raises UnknownService."""

    def __init__(self, url: str) -> None:
        # Loading it takes a while, and most have no such channel.
        with needed("alerts"):
            from apprise import Apprise  # noqa: PLC0415

        self._service = Apprise()
        if not self._service.add(url):
            raise UnknownService(
                "Apprise does not recognise the URL of the channel",
                next="see https://github.com/caronc/apprise/wiki for the URL of your service",
            )

    def send(self, message: Message) -> str:
        """Send a message. Raises NotDelivered."""
        return bounded(lambda: self._notify(message))

    def _notify(self, message: Message) -> str:
        from apprise import LogCapture, NotifyFormat, NotifyType  # noqa: PLC0415

        kind = {"OK": NotifyType.SUCCESS, "WARN": NotifyType.WARNING, "TEST": NotifyType.INFO}
        # It answers yes or no; why not, it tells its log.
        with LogCapture(level=logging.WARNING) as log:  # type: ignore[no-untyped-call]
            taken = self._service.notify(
                title=text.line(message.subject),
                body=text.lines(message.text),
                body_format=NotifyFormat.TEXT,  # it escapes what its service would take for markup
                notify_type=kind.get(message.word, NotifyType.FAILURE),
            )
            said = " ".join(log.getvalue().split())
        if not taken:
            raise NotDelivered(redact(said) or "Apprise could not send it", again=False)
        return "accepted"
