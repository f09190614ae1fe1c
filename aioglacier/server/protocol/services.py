"""The service that a request is for: vaults or S3, which share one port."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The service's name in a credential scope: in a header, or percent-encoded in the query of a signed URL.
_SCOPE: Final = re.compile(r"Credential=[^,&\s]*?(?:/|%2F)([a-z0-9-]+)(?:/|%2F)aws4_request", re.IGNORECASE)

#: The paths of the vault service. No bucket is named "-", and one of twelve digits has no key like these.
_VAULT_PATH: Final = re.compile(r"/+(?:-|[0-9]{12})/+(?:vaults|policies|provisioned-capacity)(?:[/?]|$)")


def is_for_s3(path: str, headers: Mapping[str, str]) -> bool:
    """Return whether a request is for S3: by its credential scope, else by the vault service's own marks."""
    scope = _SCOPE.search(headers.get("Authorization", "")) or _SCOPE.search(path.partition("?")[2])
    if scope is not None:
        return scope[1].lower() == "s3"
    return "x-amz-glacier-version" not in headers and _VAULT_PATH.match(path) is None
