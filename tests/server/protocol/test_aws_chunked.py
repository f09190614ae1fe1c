"""Bodies in the format aws-chunked, cut at every place."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from aioglacier.server.protocol.aws_chunked import ChunkedBody
from aioglacier.server.protocol.s3_refusals import S3RefusalError
from aioglacier.server.protocol.s3_signature import ChunkSigner

UNSIGNED = b"4\r\nwiki\r\n5\r\npedia\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
KEY, DATE, SCOPE, SEED = b"key", "20260101T000000Z", "20260101/us-east-1/s3/aws4_request", "0" * 64
EMPTY = hashlib.sha256(b"").hexdigest()


def sign(*lines: str) -> str:
    """Return the signature of lines, computed here."""
    return hmac.new(KEY, "\n".join(lines).encode(), hashlib.sha256).hexdigest()


def signed_body(chunks: list[bytes], trailer: str | None = None) -> bytes:
    """Return a signed body, written from the published rules."""
    body, previous = b"", SEED
    for chunk in (*chunks, b""):
        payload_hash = hashlib.sha256(chunk).hexdigest()
        previous = sign("AWS4-HMAC-SHA256-PAYLOAD", DATE, SCOPE, previous, EMPTY, payload_hash)
        body += f"{len(chunk):x};chunk-signature={previous}\r\n".encode() + chunk + b"\r\n" * bool(chunk)
    if trailer is not None:
        trailer_hash = hashlib.sha256(f"{trailer}\n".encode()).hexdigest()
        signature = sign("AWS4-HMAC-SHA256-TRAILER", DATE, SCOPE, previous, trailer_hash)
        body += f"{trailer}\r\nx-amz-trailer-signature:{signature}\r\n".encode()
    return body + b"\r\n"


def reader(*, is_signed: bool) -> ChunkedBody:
    """Return a reader with the key above."""
    return ChunkedBody(is_signed=is_signed, signer=ChunkSigner(KEY, DATE, SCOPE, SEED))


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_a_body_is_read_however_it_is_cut(step: int) -> None:
    """Payload and trailers do not depend on where the network cuts the body."""
    chunked = reader(is_signed=False)
    pieces = [UNSIGNED[at : at + step] for at in range(0, len(UNSIGNED), step)]
    assert b"".join(one for piece in pieces for one in chunked.feed(piece)) == b"wikipedia"
    assert chunked.is_complete
    assert chunked.trailers == {"x-amz-checksum-crc32": "NhCmhg=="}


@pytest.mark.parametrize("trailer", [None, "x-amz-checksum-crc32:NhCmhg=="])
@pytest.mark.parametrize("step", [1, 64, 1000])
def test_signatures_of_chunks_and_trailers_are_checked(step: int, trailer: str | None) -> None:
    """A right body is accepted; one with a changed byte of payload, signature or trailer is refused."""
    body = signed_body([b"wiki", b"pedia"], trailer)
    chunked = reader(is_signed=True)
    payload = b"".join(one for at in range(0, len(body), step) for one in chunked.feed(body[at : at + step]))
    assert (payload, chunked.is_complete) == (b"wikipedia", True)
    for text in (b"wiki", b"chunk-signature=", *([b"NhCm"] if trailer else [])):
        at = body.index(text) + len(text) - (text != b"chunk-signature=")
        wrong = body[:at] + (b"0" if body[at : at + 1] != b"0" else b"1") + body[at + 1 :]
        with pytest.raises(S3RefusalError, match="SignatureDoesNotMatch"):
            reader(is_signed=True).feed(wrong)


@pytest.mark.parametrize(
    "body", [b"x\r\n", b"-1\r\n", b"4\r\nwikipedia\r\n", b"0\r\n\r\nmore", b"4" * 5000, b"\r\n"]
)
def test_malformed_bodies_are_refused(body: bytes) -> None:
    """A wrong size, a chunk longer than its size, and bytes behind the end are errors."""
    with pytest.raises(S3RefusalError, match="InvalidRequest"):
        reader(is_signed=False).feed(body)


def test_signed_chunks_need_signatures() -> None:
    """A body that claims to be signed cannot leave the signatures out."""
    with pytest.raises(S3RefusalError, match="no signature"):
        reader(is_signed=True).feed(UNSIGNED)


def test_a_body_without_its_end_is_not_complete() -> None:
    """The last empty line belongs to the body."""
    chunked = reader(is_signed=False)
    chunked.feed(UNSIGNED[:-2])
    assert not chunked.is_complete
