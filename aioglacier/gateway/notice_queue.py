"""An SQS queue, by which the services announce that a job or a restore is done.

An SNS topic feeds it or, for a bucket, S3 itself. A message is only a hint. It comes at least once, in any
order, maybe never, and everyone with write access to the queue can send one. So only the names of jobs and
objects are read from it, and the service is asked about them.
"""

from __future__ import annotations

import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote_plus

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from anyio import to_thread
from botocore.exceptions import BotoCoreError, ClientError

from aioglacier.core.errors import ConfigurationError
from aioglacier.core.s3.objects import object_url
from aioglacier.gateway.contract.protocols import QueueUnreadableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.gateway.contract.options import GatewayOptions

logger: Final = logging.getLogger("aioglacier.gateway")

#: The longest that SQS holds a request open (SQS API reference, ReceiveMessage).
LONG_POLL_SECONDS: Final = 20

#: The most messages of one answer (the same).
_MESSAGES_AT_ONCE: Final = 10

#: Longer than a long poll, so that a request that SQS holds open does not count as lost.
_READ_TIMEOUT_SECONDS: Final = 30


class DoneMessage(NamedTuple):
    """A message that names jobs or objects; its ``receipt`` removes it from the queue."""

    names: tuple[str, ...]
    receipt: str


class DoneMessageQueue:
    """Reads one queue. Opened by ``open_queue``."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def __repr__(self) -> str:
        return f"<DoneMessageQueue {self._url}>"

    async def receive(self) -> list[DoneMessage]:
        """Wait up to 20 seconds for messages. A message that names nothing stays in the queue.

        Raises:
            QueueUnreadableError: SQS refused, or could not be reached.
        """
        try:
            answer = await self._client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=_MESSAGES_AT_ONCE, WaitTimeSeconds=LONG_POLL_SECONDS
            )
        except (BotoCoreError, ClientError, OSError) as error:
            raise QueueUnreadableError(f"the queue {self._url} cannot be read: {error}") from error
        messages = []
        for message in answer.get("Messages", ()):
            names = find_names(message.get("Body", ""))
            if names:
                messages.append(DoneMessage(names, message["ReceiptHandle"]))
            else:
                logger.warning("a message in the queue names no job and no restored object; it stays there")
        return messages

    async def remove(self, message: DoneMessage) -> None:
        """Remove a message from the queue. If that fails, it comes again, which does no harm."""
        try:
            await self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)
        except (BotoCoreError, ClientError, OSError) as error:
            logger.warning("a message could not be removed from the queue: %s", error)


@asynccontextmanager
async def open_queue(options: GatewayOptions, url: str) -> AsyncIterator[DoneMessageQueue]:
    """Open a queue by its URL, with the same credentials, profile and region as the gateway.

    Raises:
        ConfigurationError: Region, profile or URL are missing or invalid.
    """
    if not url.startswith(("https://", "http://")):
        raise ConfigurationError(f"the queue {url!r} is not a URL; give the one that SQS shows, https://...")
    session = await to_thread.run_sync(lambda: AioSession(profile=options.profile_name))
    loader = session.get_component("data_loader")
    # Reading the model takes 50 ms, so a thread puts it into the session's cache.
    await to_thread.run_sync(loader.load_service_model, "sqs", "service-2")
    try:
        async with session.create_client(
            "sqs",
            region_name=options.region_name,
            aws_access_key_id=options.aws_access_key_id,
            aws_secret_access_key=options.aws_secret_access_key,
            aws_session_token=options.aws_session_token,
            config=AioConfig(read_timeout=_READ_TIMEOUT_SECONDS, retries={"total_max_attempts": 3}),
        ) as client:
            yield DoneMessageQueue(client, url)
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"the queue {url} cannot be opened: {error}") from error


def find_names(body: str) -> tuple[str, ...]:
    """Return the job's id, or the URLs of restored objects, that a message names.

    The message may have the envelope of SNS, or none, as with raw delivery and from S3 itself.
    """
    try:
        document = json.loads(body)
        if isinstance(document, dict) and document.get("Type") == "Notification":
            document = json.loads(document["Message"])
        if isinstance(document, dict) and "Records" in document:
            return tuple(_restored(record) for record in document["Records"] if _tells_of_restore(record))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()
    job_id = document.get("JobId") if isinstance(document, dict) else None
    return (job_id,) if isinstance(job_id, str) and job_id else ()


def _tells_of_restore(record: dict[str, Any]) -> bool:
    return str(record["eventName"]).removeprefix("s3:") == "ObjectRestore:Completed"


def _restored(record: dict[str, Any]) -> str:
    entry = record["s3"]
    return object_url(entry["bucket"]["name"], unquote_plus(entry["object"]["key"]))
