"""An SQS queue that an SNS topic feeds, by which the service announces that a job is done.

A message is only a hint. It comes at least once, in any order, maybe never, and everyone with write access to
the queue can send one. So only the job's id is read from it, and the service is asked about that job.
"""

from __future__ import annotations

import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from anyio import to_thread
from botocore.exceptions import BotoCoreError, ClientError

from aioglacier.core.errors import ConfigurationError
from aioglacier.core.models import JobId
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


class JobMessage(NamedTuple):
    """A message that names a job; its ``receipt`` removes it from the queue."""

    job_id: JobId
    receipt: str


class JobMessageQueue:
    """Reads one queue. Opened by ``open_queue``."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def __repr__(self) -> str:
        return f"<JobMessageQueue {self._url}>"

    async def receive(self) -> list[JobMessage]:
        """Wait up to 20 seconds for messages. A message that names no job stays in the queue.

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
            job_id = find_job_id(message.get("Body", ""))
            if job_id is None:
                logger.warning("a message in the queue names no job; it stays there")
            else:
                messages.append(JobMessage(job_id, message["ReceiptHandle"]))
        return messages

    async def remove(self, message: JobMessage) -> None:
        """Remove a message from the queue. If that fails, it comes again, which does no harm."""
        try:
            await self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)
        except (BotoCoreError, ClientError, OSError) as error:
            logger.warning("a message could not be removed from the queue: %s", error)


@asynccontextmanager
async def open_queue(options: GatewayOptions, url: str) -> AsyncIterator[JobMessageQueue]:
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
            yield JobMessageQueue(client, url)
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"the queue {url} cannot be opened: {error}") from error


def find_job_id(body: str) -> JobId | None:
    """Return the job that a message names, inside the envelope of SNS or, with raw delivery, without it."""
    try:
        document = json.loads(body)
        if isinstance(document, dict) and document.get("Type") == "Notification":
            document = json.loads(document["Message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    job_id = document.get("JobId") if isinstance(document, dict) else None
    return JobId(job_id) if isinstance(job_id, str) and job_id else None
