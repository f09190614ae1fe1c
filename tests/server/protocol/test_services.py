"""The choice between the two services."""

from __future__ import annotations

import pytest

from aioglacier.server.protocol.services import is_for_s3

VAULT_SCOPE = "AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/glacier/aws4_request, SignedHeaders=host"
S3_SCOPE = VAULT_SCOPE.replace("glacier", "s3")


@pytest.mark.parametrize(
    ("path", "headers", "is_s3"),
    [
        ("/-/vaults/photos", {"Authorization": VAULT_SCOPE}, False),
        ("/museum/key", {"Authorization": VAULT_SCOPE}, False),
        ("/-/vaults/photos", {"Authorization": S3_SCOPE}, True),
        ("/museum/key?X-Amz-Credential=AK%2F20260101%2Fus-east-1%2Fs3%2Faws4_request", {}, True),
        ("/museum/key?X-Amz-Credential=AK%2F20260101%2Fus-east-1%2Fglacier%2Faws4_request", {}, False),
        ("/-/vaults", {}, False),
        ("/012345678901/policies/data-retrieval", {}, False),
        ("/-/provisioned-capacity", {}, False),
        ("/museum", {"x-amz-glacier-version": "2012-06-01"}, False),
        ("/", {}, True),
        ("/museum/vaults", {}, True),
        ("/012345678901/key", {}, True),
        ("/museum", {"Authorization": "AWS AK:signature"}, True),
    ],
)
def test_a_request_finds_its_service(path: str, headers: dict[str, str], is_s3: bool) -> None:
    """The credential scope decides, then the marks of the vault service."""
    assert is_for_s3(path, headers) is is_s3
