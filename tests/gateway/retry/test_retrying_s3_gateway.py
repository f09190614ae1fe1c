"""S3's operations are tried again, and what a lost answer left behind is found or called unknown."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.errors import (
    BucketExistsError,
    ConnectionLostError,
    GlacierError,
    InvalidParameterError,
    ObjectChangedError,
    ObjectConflictError,
    ObjectExistsError,
    OutcomeUnknownError,
    RestoreInProgressError,
    UploadNotFoundError,
)
from aioglacier.core.models import Tier
from aioglacier.core.ranges import ByteRange
from aioglacier.core.s3.objects import ChecksumAlgorithm
from aioglacier.core.treehash import hash_part
from aioglacier.gateway.connect import open_s3_gateway
from aioglacier.gateway.contract.protocols import RawRequest
from aioglacier.gateway.retry.patience import RetryPolicy
from aioglacier.gateway.retry.retrying_s3_gateway import RetryingS3Gateway
from aioglacier.gateway.retry.rules import Congestion
from tests.gateway.faulty import Exchange, answers, options_for
from tests.gateway.s3.calls import BODY, BUCKET, CALLS, HASHES, KEY, PLAIN, SHA256_TEXT, UPLOAD, read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.gateway.faulty import FaultyServer

    Behaviour = Callable[[Exchange], Awaitable[None]]

ID = {"x-amz-request-id": "A"}
OBJECT = ID | {"ETag": '"e"', "Last-Modified": "Tue, 24 Nov 2026 00:00:00 GMT"}
PUT, PART, COMPLETE, ABORT = (CALLS[name].ours for name in ("put", "part", "complete", "abort"))
STORED = answers(200, b"", OBJECT | {"x-amz-checksum-sha256": SHA256_TEXT})
COMPLETED = answers(200, b"<R><ETag>e-2</ETag></R>", ID)
LISTED = answers(200, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>", ID)
CUT = answers(200, b"<R><ETag>e-2</ET", ID)
POLICY = RetryPolicy(first_ceiling_seconds=0.001, longest_wait_seconds=0.001)


@pytest.fixture
async def s3(server: FaultyServer) -> AsyncIterator[RetryingS3Gateway]:
    """Yield a gateway to ``server`` that tries again at once."""
    async with open_s3_gateway(options_for(server)) as gateway:
        yield RetryingS3Gateway(gateway, POLICY)


def refuses(status: int, code: str) -> Behaviour:
    """Read the request, then refuse it as S3 does."""
    return answers(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode(), ID)


async def lost(exchange: Exchange) -> None:
    """Read the whole request, and break the connection instead of an answer."""
    await exchange.read_body()
    exchange.reset()


GONE, EXISTS, RACED = (
    refuses(404, "NoSuchUpload"),
    refuses(412, "PreconditionFailed"),
    refuses(409, "ConditionalRequestConflict"),
)


@pytest.mark.parametrize(
    ("call", "script"),
    [
        (PUT, [lost, STORED]),
        (PUT, [RACED, STORED]),
        (PUT, [refuses(503, "SlowDown"), STORED]),
        (PUT, [refuses(400, "RequestTimeout"), STORED]),
        (PUT, [refuses(400, "BadDigest"), STORED]),
        (PART, [lost, refuses(500, "InternalError"), STORED]),
        (COMPLETE, [lost, COMPLETED]),
        (COMPLETE, [refuses(200, "InternalError"), COMPLETED]),
        (COMPLETE, [CUT, COMPLETED]),
        (ABORT, [lost, GONE]),
        (ABORT, [answers(204, b"", ID)]),
        (CALLS["delete"].ours, [lost, answers(204, b"", ID)]),
        (CALLS["delete bucket"].ours, [lost, refuses(404, "NoSuchBucket")]),
        (CALLS["create"].ours, [lost, refuses(409, "BucketAlreadyOwnedByYou")]),
        (CALLS["list"].ours, [answers(200, b"<ListBucketRe", ID), LISTED]),
    ],
)
async def test_a_call_succeeds_after_trouble(
    server: FaultyServer, s3: RetryingS3Gateway, call: Any, script: list[Behaviour]
) -> None:
    """A repetition succeeds, or shows that the attempt without an answer did the work."""
    server.then(*script)
    await call(s3)
    assert len(server.requests) == len(script)


@pytest.mark.parametrize(
    ("call", "script", "kind"),
    [
        (PUT, [EXISTS], ObjectExistsError),
        (COMPLETE, [EXISTS], ObjectExistsError),
        (COMPLETE, [RACED], ObjectConflictError),
        (COMPLETE, [GONE], UploadNotFoundError),
        (COMPLETE, [refuses(200, "InvalidPart")], InvalidParameterError),
        (ABORT, [GONE], UploadNotFoundError),
        (CALLS["create"].ours, [lost, refuses(409, "BucketAlreadyExists")], BucketExistsError),
        (CALLS["create"].ours, [refuses(409, "BucketAlreadyOwnedByYou")], BucketExistsError),
        (CALLS["restore"].ours, [refuses(409, "RestoreAlreadyInProgress")], RestoreInProgressError),
    ],
)
async def test_a_clear_refusal_is_final(
    server: FaultyServer, s3: RetryingS3Gateway, call: Any, script: list[Behaviour], kind: type[GlacierError]
) -> None:
    """A refusal of the first attempt means what it says, and is not asked for again."""
    server.then(*script)
    with pytest.raises(kind):
        await call(s3)
    assert len(server.requests) == len(script)


@pytest.mark.parametrize(
    ("call", "script"),
    [
        (PUT, [lost, EXISTS]),
        (COMPLETE, [lost, EXISTS]),
        (COMPLETE, [lost, GONE]),
        (COMPLETE, [lost, RACED]),
        (COMPLETE, [refuses(200, "InternalError"), GONE]),
        (COMPLETE, [CUT, CUT, CUT]),
    ],
)
async def test_a_refusal_after_a_lost_answer_proves_nothing(
    server: FaultyServer, s3: RetryingS3Gateway, call: Any, script: list[Behaviour]
) -> None:
    """The object may be ours or another's, so the error says unknown and names it."""
    server.then(*script)
    with pytest.raises(OutcomeUnknownError, match="look at the object under this key") as caught:
        await call(s3)
    error = caught.value
    assert (error.bucket, error.key, error.tree_hash) == ("museum", KEY, b"")
    assert error.upload_id == (UPLOAD if call is COMPLETE else None)
    assert error.attempts == len(script)
    assert error.size == (BODY.nbytes if call is PUT else (8 << 20) + 5)


async def test_a_restore_without_an_answer_began(server: FaultyServer, s3: RetryingS3Gateway) -> None:
    """The repetition that meets a running restore shows that the first attempt began it."""
    server.then(lost, refuses(409, "RestoreAlreadyInProgress"))
    assert await s3.restore_object(BUCKET, KEY, days=3, tier=Tier.BULK) is None
    server.then(answers(202, b"", ID), answers(200, b"", ID))
    assert await s3.restore_object(BUCKET, KEY, days=3) is True
    assert await s3.restore_object(BUCKET, KEY, days=3) is False


TIME = "%Y-%m-%dT%H:%M:%SZ"


def uploads(*ids: str, key: str = "k", algorithm: str = "SHA256", started: datetime | None = None) -> bytes:
    """Return a list of uploads; ``now`` stands for the time at which it is sent."""
    at = f"{started:{TIME}}" if started else "now"
    items = "".join(
        f"<Upload><Key>{key}</Key><UploadId>{each}</UploadId><Initiated>{at}</Initiated><StorageClass>"
        f"DEEP_ARCHIVE</StorageClass><ChecksumAlgorithm>{algorithm}</ChecksumAlgorithm></Upload>"
        for each in ids
    )
    root = "ListMultipartUploadsResult"
    return f"<{root}><IsTruncated>false</IsTruncated>{items}</{root}>".encode()


def parts(upload_id: str, *numbers: int) -> bytes:
    """Return a list of the parts of an upload."""
    root, items = "ListPartsResult", f"<Key>k</Key><UploadId>{upload_id}</UploadId>"
    for number in numbers:
        items += f"<Part><PartNumber>{number}</PartNumber><Size>1</Size><ETag>e</ETag></Part>"
    return f"<{root}>{items}<IsTruncated>false</IsTruncated></{root}>".encode()


NEW = answers(
    200, b"<InitiateMultipartUploadResult><UploadId>new</UploadId></InitiateMultipartUploadResult>", ID
)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([uploads("a"), parts("a")], "a"),
        ([uploads("a", "b"), parts("a", 1), parts("b")], "b"),
        ([uploads("a", key="k2")], "new"),
        ([uploads("a", algorithm="CRC32")], "new"),
        ([uploads("a", started=datetime(2020, 1, 1, tzinfo=UTC))], "new"),
        ([uploads("a"), parts("a", 1)], "new"),
    ],
)
async def test_the_upload_of_a_lost_answer_is_taken(
    server: FaultyServer, s3: RetryingS3Gateway, script: list[bytes], expected: str
) -> None:
    """A new, empty upload of the same key and kind is taken, so that none stays behind to be billed."""
    # The parameters are made when tests are collected, which may be an hour before.
    sent = [body.replace(b">now<", f">{datetime.now(UTC):{TIME}}<".encode()) for body in script]
    server.then(lost, *(answers(200, body, ID) for body in sent), *([NEW] if expected == "new" else []))
    upload_id = await s3.create_multipart_upload(
        BUCKET, "k", settings=PLAIN, algorithm=ChecksumAlgorithm.SHA256
    )
    assert upload_id == expected
    assert not server.script


def breaks_after(count: int, body: bytes, headers: dict[str, str], status: int = 200) -> Behaviour:
    """Send the beginning of an object, and break the connection."""

    async def behave(exchange: Exchange) -> None:
        await exchange.answer(status, body[:count], OBJECT | headers, length=len(body))
        exchange.writer.close()

    return behave


@pytest.mark.parametrize(
    ("asked", "start", "first"),
    [
        ({}, 0, (200, {})),
        ({"byte_range": ByteRange(10, 18)}, 10, (206, {"Content-Range": "bytes 10-17/99"})),
        ({"part_number": 2}, 10, (206, {"Content-Range": "bytes 10-17/99"})),
    ],
)
async def test_an_object_goes_on_where_it_broke_off(
    server: FaultyServer, s3: RetryingS3Gateway, asked: Any, start: int, first: tuple[int, dict[str, str]]
) -> None:
    """The next connection asks for the rest of the same object: by its tag, and by bytes also for a part."""
    status, headers = first
    total = 8 if start == 0 else 99
    checksum = {"x-amz-checksum-sha256": b64encode(hash_part(BODY).payload_hash).decode()}
    rest = {"Content-Range": f"bytes {start + 3}-{start + 7}/{total}"}
    server.then(
        breaks_after(3, bytes(BODY), headers | checksum, status), answers(206, bytes(BODY[3:]), OBJECT | rest)
    )
    async with s3.get_object(BUCKET, KEY, **asked) as output:
        assert b"".join([block async for block in output]) == BODY
    assert output.head.checksum is not None
    assert output.head.checksum.value == HASHES.payload_hash
    second = server.requests[1]
    assert second.headers["range"] == f"bytes={start + 3}-{start + 7}"
    assert second.headers["if-match"] == '"e"'
    assert "partNumber" not in second.target


async def test_an_object_that_is_replaced_meanwhile_is_not_mixed(
    server: FaultyServer, s3: RetryingS3Gateway
) -> None:
    """The rest of another object is refused."""
    server.then(breaks_after(3, bytes(BODY), {}), EXISTS)
    with pytest.raises(ObjectChangedError):
        await read(s3)


async def test_a_raw_request_is_repeated_only_if_it_reads(
    server: FaultyServer, s3: RetryingS3Gateway
) -> None:
    """A GET without an answer is sent again, a PUT is not."""
    server.then(lost, answers(200, b"x", ID), lost)
    assert (await s3.request(RawRequest("GET", "museum"))).body == b"x"
    with pytest.raises(ConnectionLostError):
        await s3.request(RawRequest("PUT", "museum"))


async def test_throttling_counts_at_the_gateway_that_shares_the_line(server: FaultyServer) -> None:
    """Signs of congestion of both services reach one counter."""
    congestion = Congestion()
    async with open_s3_gateway(options_for(server)) as gateway:
        s3 = RetryingS3Gateway(gateway, POLICY, congestion=congestion)
        server.then(refuses(503, "SlowDown"), refuses(503, "ServiceUnavailable"), STORED)
        await PUT(s3)
    assert congestion.signs == 2
