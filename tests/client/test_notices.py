"""Messages about finished jobs, through a real SNS topic and a real SQS queue (moto's server)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import anyio
import anyio.to_thread
import boto3
import pytest

import aioglacier
from aioglacier.client.notices import listening
from aioglacier.gateway.notice_queue import DoneMessage
from aioglacier.server import LocalGlacier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from aioglacier.gateway.notice_queue import DoneMessageQueue

KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "example"
REGION = "us-east-1"


def connected(server: LocalGlacier) -> AbstractAsyncContextManager[aioglacier.Glacier]:
    """Return a connection whose keys serve the queue as well."""
    return aioglacier.connect(
        endpoint_url=server.url,
        s3_endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
    )


class Messaging:
    """A topic and a queue that is subscribed to it."""

    def __init__(self, endpoint: str) -> None:
        name = f"jobs-{uuid4()}"
        session = boto3.Session(KEY_ID, SECRET, region_name=REGION)
        self.sns: Any = session.client("sns", endpoint_url=endpoint)
        self.sqs: Any = session.client("sqs", endpoint_url=endpoint)
        self.endpoint = endpoint
        self.topic_arn: str = self.sns.create_topic(Name=name)["TopicArn"]
        self.queue_url: str = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["QueueArn"])
        self.sns.subscribe(TopicArn=self.topic_arn, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])

    def publish(self, message: object) -> None:
        """Send a message to the topic."""
        self.sns.publish(TopicArn=self.topic_arn, Message=json.dumps(message))

    def count_messages(self) -> int:
        """Return the number of messages in the queue, including those being read."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)
        return sum(int(attributes["Attributes"][name]) for name in names)

    def subscribe_to_restores(self, s3_endpoint: str, bucket: str) -> None:
        """Let a bucket tell the topic when a restore is done."""
        s3: Any = boto3.client(
            "s3",
            region_name=REGION,
            endpoint_url=s3_endpoint,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
        )
        topic = {"TopicArn": self.topic_arn, "Events": ["s3:ObjectRestore:Completed"]}
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"TopicConfigurations": [topic]}
        )
        s3.close()

    def close(self) -> None:
        """Close both clients' connections."""
        self.sns.close()
        self.sqs.close()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The URL of a server of SNS and SQS on loopback, shared by these tests."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  # it takes a second, in every worker

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def messaging(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> Iterator[Messaging]:
    """Return a topic and a queue of the test's own, found through botocore's environment variables."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", endpoint)
    messaging = Messaging(endpoint)
    yield messaging
    messaging.close()


@pytest.mark.slow
async def test_a_wait_ends_when_the_queue_tells_of_the_job(tmp_path: Path, messaging: Messaging) -> None:
    """Both tasks that wait for a job find it done when its message comes, not 15 minutes later."""
    async with (
        LocalGlacier(tmp_path, sns_endpoint_url=messaging.endpoint) as server,
        connected(server) as glacier,
        glacier.open_notices(messaging.queue_url) as notices,
    ):
        vault = await glacier.create_vault("photos")
        archive = await vault.upload(b"bytes")
        job = await vault.retrieve(archive.id, sns_topic=messaging.topic_arn)
        ended: list[aioglacier.JobDescription] = []

        async def wait() -> None:
            ended.append(await job.wait_until_done(notices=notices, timeout_seconds=60))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            tasks.start_soon(wait)
            await anyio.to_thread.run_sync(messaging.publish, {"hello": "nothing of a job"})
            await server.advance(5 * 3600)
        assert [description.status for description in ended] == 2 * [aioglacier.JobStatus.SUCCEEDED]
        await wait_for_count(messaging, 1)  # the other program's message is still there; the job's is not


@pytest.mark.slow
async def test_a_wait_ends_when_the_queue_tells_of_the_restore(tmp_path: Path, messaging: Messaging) -> None:
    """A task that waits for a restore finds it done when the bucket's event comes."""
    async with (
        LocalGlacier(tmp_path, sns_endpoint_url=messaging.endpoint) as server,
        connected(server) as glacier,
        glacier.open_notices(messaging.queue_url) as notices,
    ):
        bucket = await glacier.create_bucket("museum", storage_class="GLACIER")
        await bucket.upload(b"bytes", key="a b/é+")
        await anyio.to_thread.run_sync(messaging.subscribe_to_restores, server.url, "museum")
        restore = await bucket.retrieve("a b/é+", tier="Bulk", days=1)

        async def wait() -> None:
            await restore.wait_until_done(notices=notices, timeout_seconds=60)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await server.advance(13 * 3600)
        await wait_for_count(messaging, 0)


async def wait_for_count(messaging: Messaging, count: int) -> None:
    """Wait until the queue has so many messages: one is removed after those who wait have heard."""
    with anyio.fail_after(30):
        while await anyio.to_thread.run_sync(messaging.count_messages) != count:  # noqa: ASYNC110  # SQS has no event
            await anyio.sleep(0.02)


@pytest.mark.slow
async def test_a_message_is_only_a_hint(tmp_path: Path, messaging: Messaging) -> None:
    """A message that claims success does not make an unfinished job done."""
    async with (
        LocalGlacier(tmp_path) as server,
        connected(server) as glacier,
        glacier.open_notices(messaging.queue_url) as notices,
    ):
        vault = await glacier.create_vault("photos")
        archive = await vault.upload(b"bytes")
        job = await vault.retrieve(archive.id)
        await anyio.to_thread.run_sync(messaging.publish, {"JobId": job.id, "StatusCode": "Succeeded"})
        with pytest.raises(aioglacier.WaitTimeoutError):
            await job.wait_until_done(notices=notices, timeout_seconds=1)


class OneMessage:
    """A queue with one message about a job."""

    def __init__(self) -> None:
        self.messages = [[DoneMessage(("job",), "receipt")]]
        self.is_read = anyio.Event()

    async def receive(self) -> list[DoneMessage]:
        """Return the message, then wait for ever."""
        if not self.messages:
            self.is_read.set()
            await anyio.sleep_forever()
        return self.messages.pop()

    async def remove(self, message: DoneMessage) -> None:
        """Take note of nothing."""


async def test_a_message_during_a_question_ends_the_next_wait() -> None:
    """A task that asks the service while the message comes does not wait, though another task has seen it."""
    queue = OneMessage()
    async with listening(cast("DoneMessageQueue", queue)) as notices:
        first, second = notices.waiter("job", 900), notices.waiter("job", 900)
        with anyio.fail_after(10):
            await first()
            await queue.is_read.wait()
            await second()
    with anyio.move_on_after(0.01) as scope:
        await second()  # the same message ends one wait of each task only
    assert scope.cancelled_caught


@pytest.mark.slow
async def test_a_failed_task_group_of_the_caller_does_not_disturb_the_end(
    tmp_path: Path, messaging: Messaging
) -> None:
    """Leaving the block does not leave the task marked as cancelled, as groups did before Python 3.13."""

    async def fail_soon() -> None:
        await asyncio.sleep(0)
        raise ValueError

    async with (
        LocalGlacier(tmp_path) as server,
        connected(server) as glacier,
        glacier.open_notices(messaging.queue_url),
    ):
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fail_soon())


async def test_a_queue_is_named_by_its_url(tmp_path: Path) -> None:
    """The name or ARN of a queue is refused with an example of a queue URL."""
    async with aioglacier.connect(endpoint_url=f"local:{tmp_path}") as glacier:
        with pytest.raises(aioglacier.ConfigurationError, match="https://"):
            async with glacier.open_notices("arn:aws:sqs:us-east-1:012345678901:jobs"):
                pass
