"""The order of checks of S3, and the form of its refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.server import LocalGlacier
from aioglacier.server.requests.faults import Fault
from tests.server.conftest import Plain, send

if TYPE_CHECKING:
    from pathlib import Path


async def ask(server: LocalGlacier, method: str, path: str, body: bytes = b"", **headers: str) -> Plain:
    """Send a request without the vault service's version, so that it is one to S3."""
    return await send(server, method, path, body, x_amz_glacier_version="", **headers)


def error(answer: Plain) -> tuple[int, str]:
    """Return status and code of an error."""
    assert answer.headers["Content-Type"] == "application/xml"
    return answer.status, answer.body.decode().partition("<Code>")[2].partition("</Code>")[0]


async def test_web_pages_are_refused_without_keys(faithful: LocalGlacier) -> None:
    """A page in a browser sends an Origin, and a server without keys does not answer it."""
    assert (await ask(faithful, "GET", "/")).status == 200
    assert error(await ask(faithful, "GET", "/", Origin="http://page.example")) == (403, "AccessDenied")


async def test_the_owner_is_checked_before_the_body_is_read(faithful: LocalGlacier) -> None:
    """A bucket of another account is refused whatever the document says."""
    assert (await ask(faithful, "PUT", "/bucket")).status == 200
    answer = await ask(
        faithful, "POST", "/bucket/k?restore", b"no document", x_amz_expected_bucket_owner="999999999999"
    )
    assert error(answer) == (403, "AccessDenied")


async def test_a_signature_is_checked_before_the_operation(server: LocalGlacier) -> None:
    """A request without signature is refused whether there is such an operation or not."""
    assert error(await ask(server, "PATCH", "/bucket")) == error(await ask(server, "GET", "/bucket"))
    assert error(await ask(server, "GET", "/bucket")) == (403, "AccessDenied")


async def test_a_refusal_of_head_has_no_body(faithful: LocalGlacier) -> None:
    """HTTP allows none there; the status and the request's id are all that the client learns."""
    answer = await ask(faithful, "HEAD", "/missing")
    assert (answer.status, answer.body) == (404, b"")
    assert answer.headers["x-amz-request-id"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ThrottlingException", (503, "SlowDown")),
        ("ServiceUnavailableException", (500, "InternalError")),
        ("InvalidObjectState", (403, "InvalidObjectState")),
    ],
)
async def test_refusals_have_the_codes_of_s3(tmp_path: Path, code: str, expected: tuple[int, str]) -> None:
    """Refusals that both services share have S3's own code and status."""
    async with LocalGlacier(tmp_path, faults=[Fault("ListBuckets", code=code)]) as server:
        answer = await ask(server, "GET", "/")
    assert error(answer) == expected
    assert b"<RequestId>" in answer.body


async def test_a_scripted_body_is_sent_as_it_is(tmp_path: Path) -> None:
    """A script can answer with a document that S3 would not write."""
    fault = Fault("ListBuckets", status=502, body="<html>", headers={"X-Proxy": "1"})
    async with LocalGlacier(tmp_path, faults=[fault]) as server:
        answer = await ask(server, "GET", "/")
    assert (answer.status, answer.body, answer.headers["X-Proxy"]) == (502, b"<html>", "1")
