"""The regions where Glacier is sold, to say which one a mistyped name may stand for."""

from __future__ import annotations

from typing import Final

#: botocore 1.43, endpoints.json, service "glacier". Only a message rests on it: a region it lacks may be new.
REGIONS: Final = (
    "af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1",
    "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ca-central-1", "cn-north-1", "cn-northwest-1",
    "eu-central-1", "eu-north-1", "eu-south-1", "eu-west-1", "eu-west-2", "eu-west-3", "me-south-1",
    "sa-east-1", "us-east-1", "us-east-2", "us-gov-east-1", "us-gov-west-1", "us-west-1", "us-west-2",
)  # fmt: skip


def nearest_region(name: str) -> str | None:
    """Return the region whose name is most like ``name``, or ``None`` if ``name`` is a region."""
    if name in REGIONS:
        return None
    from difflib import get_close_matches  # noqa: PLC0415  # for a message that is hardly ever needed

    return get_close_matches(name, REGIONS, n=1, cutoff=0)[0]
