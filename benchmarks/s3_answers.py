"""Answers of the sink: like S3's, to the requests of an upload to the bucket "bucket"."""

from __future__ import annotations

import base64
import re
import secrets
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmarks.answering import Request

BUCKET: Final = "bucket"
_COMMON: Final = f"x-amz-request-id: {'R' * 16}\r\nDate: Tue, 24 Nov 2026 12:00:00 GMT\r\n"
_ETAG: Final = "5d41402abc4b2a76b9719d911017c592"  # of no body that comes; no client minds
_CHECKSUM: Final = "x-amz-checksum-"
_LONGEST_TRAILER: Final = 256


def is_for_s3(request: Request) -> bool:
    """Return whether a request is for the bucket."""
    return request.path.startswith(f"/{BUCKET}")


def kept_of(request: Request, size: int) -> int:
    """Return how many bytes at the end of a body are needed: of a document all, of others the trailer."""
    if not is_for_s3(request):
        return 0
    trailer = _LONGEST_TRAILER if "x-amz-trailer" in request.headers else 0
    return size if request.method == "POST" else min(size, trailer)


def answer(request: Request, document: bytes) -> bytes:
    """Return the answer to a request, with the checksum that it names."""
    method, path = request.method, request.path
    if method == "PUT":
        trailers = re.findall(rb"\r\n(x-amz-checksum-\w+):([\w+/=]+)\r\n", document[-_LONGEST_TRAILER:])
        sent = request.headers | {name.decode(): value.decode() for name, value in trailers}
        checksums = "".join(
            f"{name}: {value}\r\n"
            for name, value in sent.items()
            if name.startswith(_CHECKSUM) and name != f"{_CHECKSUM}algorithm"
        )
        return _answer("200 OK", f'ETag: "{_ETAG}"\r\n{checksums}')
    if method == "POST" and re.search(r"[?&]uploads", path):
        return _answer(
            "200 OK",
            "",
            _document("InitiateMultipartUpload", f"<UploadId>{secrets.token_hex(32)}</UploadId>"),
        )
    if method == "POST":
        return _answer("200 OK", "", _document("CompleteMultipartUpload", _completed(request, document)))
    if method == "GET" and "?location" in path:
        return _answer("200 OK", "", "<LocationConstraint/>")
    # No object is there yet, and an answer to a HEAD has no body.
    return _answer("404 Not Found", "")


def _completed(request: Request, document: bytes) -> str:
    made = f'<ETag>"{_ETAG}-1"</ETag>'
    if whole := request.headers.get(f"{_CHECKSUM}crc64nvme"):
        return f"{made}<ChecksumCRC64NVME>{whole}</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>"
    if parts := re.findall(rb"<ChecksumSHA256>([^<]+)", document):
        composite = sha256(b"".join(map(base64.b64decode, parts))).digest()
        value = f"{base64.b64encode(composite).decode()}-{len(parts)}"
        return f"{made}<ChecksumSHA256>{value}</ChecksumSHA256><ChecksumType>COMPOSITE</ChecksumType>"
    return made


def _document(name: str, inner: str) -> str:
    space = "http://s3.amazonaws.com/doc/2006-03-01/"
    inner = f"<Bucket>{BUCKET}</Bucket><Key>k</Key>{inner}"
    return f'<?xml version="1.0" encoding="UTF-8"?><{name}Result xmlns="{space}">{inner}</{name}Result>'


def _answer(status: str, extra: str, document: str = "") -> bytes:
    extra += f"Content-Type: application/xml\r\nContent-Length: {len(document)}\r\n"
    return f"HTTP/1.1 {status}\r\n{_COMMON}{extra}\r\n{document}".encode()
