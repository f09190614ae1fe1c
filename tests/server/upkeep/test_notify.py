"""Notifications of finished jobs, as a webhook receives them."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from aiohttp import web
from anyio import fail_after

from aioglacier.server import LocalGlacier
from tests.server.conftest import Boto

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TOPIC = "arn:aws:sns:us-east-1:012345678901:"


class Inbox:
    """A webhook that keeps the posts it receives, after refusing the first ``refusals``."""

    def __init__(self, refusals: int = 0) -> None:
        self.url = ""
        self._refusals = refusals
        self._offer, self.messages = anyio.create_memory_object_stream[dict[str, Any]](100)

    async def post(self, request: web.BaseRequest) -> web.Response:
        """Take one message."""
        if self._refusals:
            self._refusals -= 1
            return web.Response(status=503)
        self._offer.send_nowait(json.loads(await request.read()))
        return web.Response()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Inbox]:
        """Serve for the length of the block."""
        runner = web.ServerRunner(web.Server(self.post))
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook?x=y"
            with self._offer, self.messages:
                yield self
        finally:
            await runner.cleanup()


async def test_the_vault_s_topic_and_the_job_s_own_both_hear(tmp_path: Path) -> None:
    """Each topic gets one message, with the job document as a string inside the envelope."""
    async with Inbox().listening() as inbox, LocalGlacier(tmp_path, notify_url=inbox.url) as server:
        boto = Boto(server.url)
        await boto("create_vault")
        configuration = {"SNSTopic": TOPIC + "vault", "Events": ["ArchiveRetrievalCompleted"]}
        await boto("set_vault_notifications", vaultNotificationConfig=configuration)
        archive_id = await boto.upload(b"x")
        await server.run_inventory()
        await boto.job(Type="inventory-retrieval", Description="silent")
        job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id, SNSTopic=TOPIC + "job")
        await server.advance(4 * 3600)
        with fail_after(10):
            messages = [await inbox.messages.receive() for _ in range(2)]
        assert {message["TopicArn"] for message in messages} == {TOPIC + "vault", TOPIC + "job"}
        for message in messages:
            assert message["Type"] == "Notification"
            document = json.loads(message["Message"])
            assert document["JobId"] == job_id
            assert document["StatusCode"] == "Succeeded"
            assert list(document) == sorted(document)


async def test_a_webhook_that_is_down_for_a_moment_hears_later(tmp_path: Path) -> None:
    """Delivery is repeated."""
    async with (
        Inbox(refusals=1).listening() as inbox,
        LocalGlacier(tmp_path, notify_url=inbox.url, job_delay=0) as server,
    ):
        boto = Boto(server.url)
        await boto("create_vault")
        await boto.job(Type="archive-retrieval", ArchiveId=await boto.upload(b"x"), SNSTopic=TOPIC + "job")
        with fail_after(10):
            assert (await inbox.messages.receive())["TopicArn"] == TOPIC + "job"


async def test_a_webhook_that_is_not_there_disturbs_nothing(tmp_path: Path) -> None:
    """The job ends, and the server closes at once."""
    async with LocalGlacier(tmp_path, notify_url="http://127.0.0.1:9/", job_delay=0) as server:
        boto = Boto(server.url)
        await boto("create_vault")
        job_id = await boto.job(
            Type="archive-retrieval", ArchiveId=await boto.upload(b"x"), SNSTopic=TOPIC + "job"
        )
        assert (await boto("describe_job", jobId=job_id))["StatusCode"] == "Succeeded"
