"""Retries, wire and local Glacier together: the state of the service after faults."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.errors import (
    ClockSkewError,
    IntegrityError,
    OutcomeUnknownError,
    UnexpectedResponseError,
)
from aioglacier.core.limits import MIB
from aioglacier.core.treehash import hash_part, tree_hash
from aioglacier.gateway.connect import open_gateway
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.gateway.retry.patience import RetryPolicy
from aioglacier.gateway.retry.retrying_gateway import RetryingGateway
from aioglacier.server import Fault, FaultKind, LocalGlacier, Moment
from tests.gateway.faulty import KEY_ID, SECRET, faulty_server, options_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aioglacier.core.models import StoredArchive

BODY = bytes(range(256)) * (5 * MIB // 512)


class Chain:
    """A local Glacier and a retrying gateway with short waits."""

    def __init__(self, server: LocalGlacier, gateway: RetryingGateway) -> None:
        self.server = server
        self.gateway = gateway

    async def upload(self) -> StoredArchive:
        """Upload the body in parts of 1 MiB."""
        upload_id = await self.gateway.initiate_multipart_upload("photos", part_size=MIB)
        for start in range(0, len(BODY), MIB):
            part = memoryview(BODY)[start : start + MIB]
            await self.gateway.upload_multipart_part(
                "photos", upload_id, part, start=start, hashes=hash_part(part)
            )
        return await self.gateway.complete_multipart_upload(
            "photos", upload_id, size=len(BODY), tree_hash=tree_hash(BODY)
        )

    async def archives(self) -> int:
        """Return how many archives the vault holds."""
        await self.server.run_inventory()
        return (await self.gateway.describe_vault("photos")).archive_count

    def struck(self) -> int:
        """Return how often faults happened."""
        return sum(fault["struck"] for fault in self.server.faults.snapshot())


@asynccontextmanager
async def opened(directory: Path, **settings: Any) -> AsyncIterator[Chain]:
    """Yield a chain with a vault."""
    async with LocalGlacier(
        directory, access_key_id=KEY_ID, secret_access_key=SECRET, is_durable=False, **settings
    ) as server:
        options = GatewayOptions(
            region_name="us-east-1",
            endpoint_url=server.url,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
        )
        async with open_gateway(options) as inner:
            policy = RetryPolicy(first_ceiling_seconds=0.01, longest_wait_seconds=0.01)
            yield Chain(server, RetryingGateway(inner, policy))


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    """Yield a chain with an empty vault."""
    async with opened(tmp_path) as chain:
        await chain.gateway.create_vault("photos")
        yield chain


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        Fault("UploadMultipartPart", count=2, status=503),
        Fault("UploadMultipartPart", count=2, status=502, body="<html>Bad Gateway</html>"),
        Fault("UploadMultipartPart", count=3, code="ThrottlingException"),
        Fault("UploadMultipartPart", count=3, code="RequestTimeoutException", headers={"Retry-After": "0"}),
        Fault("UploadMultipartPart", FaultKind.RESET, Moment.START),
        Fault("UploadMultipartPart", FaultKind.RESET, Moment.BODY, after_bytes=MIB // 2),
        Fault("UploadMultipartPart", FaultKind.RESET, Moment.AFTER_COMMIT, count=2),
        Fault("UploadMultipartPart", FaultKind.WRONG_HASH),
        Fault("UploadMultipartPart", FaultKind.OMIT_HEADER),
        Fault("InitiateMultipartUpload", FaultKind.RESET, Moment.AFTER_COMMIT),
        Fault("CompleteMultipartUpload", FaultKind.RESET, Moment.BEFORE_COMMIT),
        Fault("CompleteMultipartUpload", FaultKind.RESET, Moment.AFTER_COMMIT, count=2),
        Fault("CompleteMultipartUpload", FaultKind.EMPTY_BODY),
        Fault("*", probability=0.3, seed=7, count=20, status=500),
    ],
    ids=lambda fault: f"{fault.operation}-{fault.kind}-{fault.moment}-{fault.status or fault.code}",
)
async def test_upload_in_parts_survives(chain: Chain, fault: Fault) -> None:
    """One archive has the right bytes, whatever happened on the way."""
    chain.server.faults.add(fault)
    stored = await chain.upload()
    assert stored.tree_hash in {None, tree_hash(BODY)}
    assert chain.struck() > 0
    chain.server.faults.clear()
    assert await chain.archives() == 1
    job_id = await chain.gateway.initiate_archive_retrieval("photos", stored.id)
    await chain.server.advance(5 * 3600)
    async with chain.gateway.get_job_output("photos", job_id) as output:
        assert b"".join([block async for block in output]) == BODY


async def test_archive_whose_answer_was_lost_is_stored_once(chain: Chain) -> None:
    """The error says how to find the archive."""
    chain.server.faults.add(Fault("UploadArchive", FaultKind.RESET, Moment.AFTER_COMMIT))
    with pytest.raises(OutcomeUnknownError, match=tree_hash(BODY).hex()):
        await chain.gateway.upload_archive("photos", memoryview(BODY), hashes=hash_part(BODY))
    assert await chain.archives() == 1


async def test_part_whose_hash_is_never_echoed_is_given_up(chain: Chain) -> None:
    """A damaged part is sent twice, then the error blames memory."""
    chain.server.faults.add(Fault("UploadMultipartPart", FaultKind.WRONG_HASH, count=None))
    with pytest.raises(IntegrityError, match="memory"):
        await chain.upload()
    assert chain.struck() == 2


async def test_job_whose_answer_was_lost_is_started_once(chain: Chain) -> None:
    """A lost job is found by its description and paid once."""
    stored = await chain.upload()
    chain.server.faults.add(Fault("InitiateJob", FaultKind.RESET, Moment.AFTER_COMMIT))
    job_id = await chain.gateway.initiate_archive_retrieval("photos", stored.id, description="unique")
    jobs = (await chain.gateway.list_jobs("photos")).items
    assert [job.id for job in jobs] == [job_id]


async def test_delete_whose_answer_was_lost_is_done(chain: Chain) -> None:
    """A repeated deletion is no error."""
    stored = await chain.upload()
    chain.server.faults.add(Fault("DeleteArchive", FaultKind.RESET, Moment.AFTER_COMMIT))
    await chain.gateway.delete_archive("photos", stored.id)
    assert await chain.archives() == 0


async def test_output_that_breaks_off_twice_is_whole(chain: Chain) -> None:
    """Each connection continues where the last one ended."""
    stored = await chain.upload()
    job_id = await chain.gateway.initiate_archive_retrieval("photos", stored.id)
    await chain.server.advance(5 * 3600)
    chain.server.faults.add(Fault("GetJobOutput", FaultKind.TRUNCATE, count=2, after_bytes=MIB + 17))
    async with chain.gateway.get_job_output("photos", job_id) as output:
        assert b"".join([block async for block in output]) == BODY
        assert output.head == tree_hash(BODY)
    assert chain.struck() == 2


async def test_clock_that_is_twenty_minutes_off_is_named(tmp_path: Path) -> None:
    """A wrong clock ends the call after one request with both times."""
    async with opened(tmp_path, clock_skew_seconds=1200) as chain:
        with pytest.raises(ClockSkewError) as caught:
            await chain.gateway.create_vault("photos")
        assert caught.value.server_time is not None
        assert caught.value.local_time is not None
        difference = (caught.value.server_time - caught.value.local_time).total_seconds()
        assert caught.value.attempts == 1
        assert 1150 < difference < 1250


async def test_a_service_that_repeats_upload_ids_is_not_asked_for_ever() -> None:
    """No two callers get the same upload, and the search for lost ones ends."""
    async with faulty_server() as server, open_gateway(options_for(server)) as inner:
        gateway = RetryingGateway(inner)
        await gateway.initiate_multipart_upload("photos", part_size=MIB)
        with pytest.raises(UnexpectedResponseError, match="same upload id"):
            await gateway.initiate_multipart_upload("photos", part_size=MIB)
