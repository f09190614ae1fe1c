"""Signature version 4 of a small archive in few lines; its key is derived once."""

from __future__ import annotations

import hashlib
import hmac
import time
from functools import cache
from urllib.parse import urlsplit

from benchmarks.clients import KEYS

_SIGNED = "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-glacier-version;x-amz-sha256-tree-hash"


@cache
def _key(day: str) -> bytes:
    key: bytes = b"AWS4" + KEYS["aws_secret_access_key"].encode()
    for word in (day, KEYS["region_name"], "glacier", "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    return key


def signed_headers(url: str, body: bytes) -> dict[str, str]:
    """Return the headers of an archive of at most 1 MiB, whose payload hash is its tree hash."""
    digest = hashlib.sha256(body).hexdigest()
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{now[:8]}/{KEYS['region_name']}/glacier/aws4_request"
    canonical = (
        "POST\n/-/vaults/v/archives\n\ncontent-type:application/octet-stream\n"
        f"host:{urlsplit(url).netloc}\nx-amz-content-sha256:{digest}\nx-amz-date:{now}\n"
        f"x-amz-glacier-version:2012-06-01\nx-amz-sha256-tree-hash:{digest}\n\n{_SIGNED}\n{digest}"
    )
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(_key(now[:8]), text.encode(), "sha256").hex()
    return {
        "content-type": "application/octet-stream",
        "x-amz-content-sha256": digest,
        "x-amz-date": now,
        "x-amz-glacier-version": "2012-06-01",
        "x-amz-sha256-tree-hash": digest,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={KEYS['aws_access_key_id']}/{scope}, "
        f"SignedHeaders={_SIGNED}, Signature={signature}",
    }
