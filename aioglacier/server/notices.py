"""Notifications of finished jobs, posted to a webhook in the envelope that SNS puts around them."""

from __future__ import annotations

import http.client
import json
import logging
import ssl
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import anyio
from anyio import to_thread

if TYPE_CHECKING:
    from aioglacier.server.endings import Notice
    from aioglacier.server.settings import Settings

_logger: Final = logging.getLogger("aioglacier.server")

#: Delivery is "at least once" while somebody listens; a webhook that is down is not waited for long.
_PAUSES_SECONDS: Final = (0.5, 2.0, 8.0)
_TIMEOUT_SECONDS: Final = 10.0


async def deliver(notice: Notice, settings: Settings) -> None:
    """Post a notice to the webhook, trying a few times; what then still fails is logged and dropped."""
    body = envelope(notice)
    for pause in (*_PAUSES_SECONDS, None):
        try:
            await to_thread.run_sync(_post, settings.notify_url or "", body, abandon_on_cancel=True)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if pause is None:
                _logger.warning("a notification for %s could not be delivered: %s", notice.topic, error)
                return
            await anyio.sleep(pause)
        else:
            return


def envelope(notice: Notice) -> bytes:
    """The message as SNS sends it, with signature fields that no key has signed."""
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": notice.topic,
            "Subject": "Notification From Amazon Glacier Service",
            "Message": notice.message,
            "Timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}",
            "SignatureVersion": "1",
            "Signature": "",
            "SigningCertURL": "",
            "UnsubscribeURL": "",
        }
    ).encode()


def _post(url: str, body: bytes) -> None:
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.netloc, timeout=_TIMEOUT_SECONDS, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT_SECONDS)
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    try:
        headers = {"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"}
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        if answer.status >= 400:
            raise OSError(f"the webhook answered {answer.status}")
    finally:
        connection.close()
