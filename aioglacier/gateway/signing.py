"""Signature Version 4, by botocore's pieces but without its debug log, which prints tokens and signatures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from botocore.credentials import ReadOnlyCredentials

SERVICE: Final = "glacier"

#: Carries the payload hash where it is known, so that nobody hashes the body again.
PAYLOAD_HASH_HEADER: Final = "x-amz-content-sha256"


@dataclass(frozen=True, slots=True)
class Signature:
    """What signing adds to a request, and what it was made of, for tests.

    Attributes:
        headers: The headers to send, all of them.
    """

    headers: dict[str, str]
    canonical_request: str
    string_to_sign: str
    signature: str


def sign(
    credentials: ReadOnlyCredentials,
    *,
    region: str,
    now: datetime,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes = b"",
) -> Signature:
    """Sign a request as of ``now``.

    The body is hashed here unless the headers name its hash. A header ``host`` is taken as it is; without
    one the URL's host is signed.
    """
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    request.context["timestamp"] = now.strftime(SIGV4_TIMESTAMP)
    request.headers["x-amz-date"] = request.context["timestamp"]
    if credentials.token:
        request.headers["x-amz-security-token"] = credentials.token
    auth = SigV4Auth(credentials, SERVICE, region)
    canonical_request = auth.canonical_request(request)
    string_to_sign = auth.string_to_sign(request, canonical_request)
    signature = auth.signature(string_to_sign, request)
    signed = auth.signed_headers(auth.headers_to_sign(request))
    request.headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={signed}, Signature={signature}"
    )
    return Signature(dict(request.headers.items()), canonical_request, string_to_sign, signature)
