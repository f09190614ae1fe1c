"""The table's rows against botocore's model: the requests are the same."""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import boto3
import pytest
from botocore.config import Config

from aioglacier.core.errors import AccessDeniedError
from aioglacier.gateway.s3.gateway import GET_OBJECT, S3Gateway
from tests.gateway.faulty import KEY_ID, SECRET, answers
from tests.gateway.s3.calls import BUCKET, CALLS, KEY, PLAIN, Alike

if TYPE_CHECKING:
    from aioglacier.gateway.contract.operation import Operation
    from aioglacier.gateway.s3.caller import S3Caller
    from tests.gateway.faulty import FaultyServer

ROWS: dict[str, Operation[Any]] = {
    name: method.row for name, method in inspect.getmembers(S3Gateway) if hasattr(method, "row")
} | {"get_object": GET_OBJECT}


class _SeenError(Exception):
    """Ends botocore's call before it is signed."""


@pytest.fixture(scope="module")
def botocore_client() -> Any:
    """Make a client that sends nothing and adds no checksums of its own."""
    return boto3.client(
        "s3",
        region_name="eu-west-1",
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        config=Config(
            request_checksum_calculation="when_required", response_checksum_validation="when_required"
        ),
    )


def as_botocore_asks(client: Any, alike: Alike) -> Any:
    """Return the request that botocore would sign."""
    seen = []

    def look(request: Any, **_: Any) -> None:
        seen.append(request)
        raise _SeenError

    given = {name: value for name, value in {"Bucket": BUCKET.name, **alike.parameters}.items() if value}
    client.meta.events.register_first("before-sign.s3", look, unique_id="look")
    try:
        with suppress(_SeenError):
            getattr(client, alike.method)(
                **{name: value for name, value in given.items() if value is not None}
            )
    finally:
        client.meta.events.unregister("before-sign.s3", unique_id="look")
    return seen[0]


def names_and_texts(body: bytes) -> list[tuple[str, str]]:
    """Return the elements of a document with their texts, sorted where S3 ignores the order."""
    root = ET.fromstring(body) if body else ()  # noqa: S314  # of our own client, or of botocore's
    return sorted((each.tag, each.text or "") for top in root for each in top.iter())


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
async def test_a_request_is_the_one_that_botocore_sends(
    server: FaultyServer, s3: S3Caller, botocore_client: Any, name: str
) -> None:
    """Method, path, query, headers and document are those of botocore's request for the same call."""
    denied = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    server.then(answers(403, denied, {"x-amz-request-id": "A"}))
    with pytest.raises(AccessDeniedError):
        await CALLS[name].ours(s3)
    [ours] = server.requests
    theirs = as_botocore_asks(botocore_client, CALLS[name])
    here, there = urlsplit(ours.target), urlsplit(theirs.url)
    assert ours.method == theirs.method
    assert here.path == there.path
    assert parse_qs(here.query, keep_blank_values=True) == parse_qs(there.query, keep_blank_values=True)
    headers = {header.lower(): _text(value) for header, value in theirs.headers.items()}
    headers.pop("content-md5", None)
    ignored = {"user-agent", "accept", "accept-encoding", "host", "authorization", "content-length"}
    signing = {"x-amz-content-sha256", "x-amz-date", "x-amz-security-token"}
    ours_named = {header: value for header, value in ours.headers.items() if header not in ignored | signing}
    assert ours_named == {
        header: value
        for header, value in headers.items()
        if header not in ignored and not header.startswith(("amz-sdk", "x-amz-sdk", "expect"))
    }
    if "Body" not in CALLS[name].parameters:
        assert names_and_texts(ours.body) == names_and_texts(theirs.body or b"")


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def test_every_row_is_called() -> None:
    """Each operation of the table is compared."""
    called = {alike.method.replace("_configuration", "").replace("_v2", "") for alike in CALLS.values()}
    assert called == set(ROWS)


async def test_facts_of_a_bucket_go_with_every_request(server: FaultyServer, s3: S3Caller) -> None:
    """Expected owner and requester pays are headers of each request for the bucket."""
    bucket = BUCKET._replace(owner="012345678901", is_requester_pays=True)
    server.then(answers(204, b"", {"x-amz-request-id": "A"}))
    await s3.delete_object(bucket, KEY)
    headers = server.requests[0].headers
    assert headers["x-amz-expected-bucket-owner"] == "012345678901"
    assert headers["x-amz-request-payer"] == "requester"
    assert PLAIN.tags == {}
