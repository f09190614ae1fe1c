"""Notifications of finished jobs: posted to a webhook in SNS's envelope, or published at an SNS endpoint."""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import ssl
import uuid
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

import anyio
from anyio import to_thread

from aioglacier.server.protocol import sigv4
from aioglacier.server.protocol.sigv4 import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.server.state.server_settings import Settings
    from aioglacier.server.upkeep.endings import Notice

_logger: Final = logging.getLogger("aioglacier.server")

#: Delivery is "at least once" while the receiver runs; a webhook that is down is retried for a short time
#: only.
_PAUSES_SECONDS: Final = (0.5, 2.0, 8.0)
_TIMEOUT_SECONDS: Final = 10.0

_SUBJECT: Final = "Notification From Amazon Glacier Service"


async def deliver(notice: Notice, settings: Settings) -> None:
    """Send a notice to each receiver with a few attempts; a notice that still fails is logged and dropped."""
    is_for_queue = notice.topic.startswith("arn:aws:sqs:")
    if settings.notify_url is not None:
        headers = {"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"}
        body = notice.message.encode() if is_for_queue else envelope(notice)
        await _deliver(notice, partial(_post, settings.notify_url, body, headers))
    if settings.sns_endpoint_url is not None:
        send = _send_to_queue if is_for_queue else _publish
        await _deliver(notice, partial(send, notice, settings.sns_endpoint_url, settings))


async def _deliver(notice: Notice, send: Callable[[], None]) -> None:
    for pause in (*_PAUSES_SECONDS, None):
        try:
            await to_thread.run_sync(send, abandon_on_cancel=True)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if pause is None:
                _logger.warning("a notification for %s could not be delivered: %s", notice.topic, error)
                return
            await anyio.sleep(pause)
        else:
            return


def envelope(notice: Notice) -> bytes:
    """Return the message as SNS sends it, with signature fields that no key has signed."""
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": notice.topic,
            "Subject": _SUBJECT,
            "Message": notice.message,
            "Timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}",
            "SignatureVersion": "1",
            "Signature": "",
            "SigningCertURL": "",
            "UnsubscribeURL": "",
        }
    ).encode()


def _publish(notice: Notice, url: str, settings: Settings) -> None:
    """Publish as a client of SNS does, signed, because emulators find the service by the signature."""
    form = {
        "Action": "Publish",
        "Version": "2010-03-31",
        "TopicArn": notice.topic,
        "Subject": _SUBJECT,
        "Message": notice.message,
    }
    _post_form("sns", form, url, settings)


def _send_to_queue(notice: Notice, url: str, settings: Settings) -> None:
    """Send a message to a queue of the same emulator, as S3 does, without an envelope."""
    account, _, name = notice.topic.removeprefix("arn:aws:sqs:").partition(":")[2].partition(":")
    form = {
        "Action": "SendMessage",
        "Version": "2012-11-05",
        "QueueUrl": f"{url.rstrip('/')}/{account}/{name}",
        "MessageBody": notice.message,
    }
    _post_form("sqs", form, url, settings)


def _post_form(service: str, form: dict[str, str], url: str, settings: Settings) -> None:
    body = urlencode(form).encode()
    date = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    headers = {
        "Host": urlsplit(url).netloc,
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "X-Amz-Date": date,
    }
    pair = settings.credentials[0] if settings.credentials else Credentials("local", "local")
    if pair.session_token is not None:
        headers["X-Amz-Security-Token"] = pair.session_token
    headers["Authorization"] = sigv4.authorization_for(
        sigv4.SignedRequest(
            "POST",
            "/",
            {name.lower(): [value] for name, value in headers.items()},
            hashlib.sha256(body).hexdigest(),
        ),
        pair,
        date=date,
        region=settings.region,
        service=service,
    )
    _post(url, body, headers)


def _post(url: str, body: bytes, headers: dict[str, str]) -> None:
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
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        if answer.status >= 400:
            raise OSError(f"{parts.netloc} answered {answer.status}")
    finally:
        connection.close()
