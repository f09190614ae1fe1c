"""The operations of S3 by method, level and subresource, and the bucket and key of a request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote

from aioglacier.server.operations.s3 import (
    bucket_settings as settings,
    buckets,
    copies,
    multipart,
    multipart_lists,
    object_attributes as attributes,
    object_lists,
    object_reading as reading,
    object_tags as tags,
    objects,
    restores,
)
from aioglacier.server.protocol import s3_behaviour as behaviour
from aioglacier.server.protocol.s3_refusals import S3RefusalError, not_implemented

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aioglacier.server.requests.call import Answer
    from aioglacier.server.requests.s3_call import S3Call


@dataclass(frozen=True, slots=True)
class S3Operation:
    """One operation.

    Attributes:
        takes_bytes: Whether its body is an object's bytes and not a document.
        is_slow: Whether its answer may begin before it has ended.
    """

    run: Callable[[S3Call], Awaitable[Answer]]
    takes_bytes: bool = False
    is_slow: bool = False

    @property
    def name(self) -> str:
        """The operation's name in the API, which is that of its function: ``PutObject``."""
        return "".join(word.capitalize() for word in self.run.__name__.split("_"))


@dataclass(frozen=True, slots=True)
class S3Target:
    """The bucket, key and query of a request; an empty name where there is none."""

    bucket: str
    key: str
    query: dict[str, str]

    @property
    def level(self) -> str:
        """The kind of thing that is addressed."""
        return "object" if self.key else "bucket" if self.bucket else "account"


#: A header, which makes another operation of a put, of an object or of a part.
_COPY: Final = "x-amz-copy-source"
_COPY_PART: Final = "uploadId with x-amz-copy-source"

#: Each operation by its method, its level and its subresource: the query's key that selects it.
S3_OPERATIONS: Final[dict[tuple[str, str, str], S3Operation]] = {
    ("GET", "account", ""): S3Operation(buckets.list_buckets),
    ("PUT", "bucket", ""): S3Operation(buckets.create_bucket),
    ("HEAD", "bucket", ""): S3Operation(buckets.head_bucket),
    ("DELETE", "bucket", ""): S3Operation(buckets.delete_bucket),
    ("GET", "bucket", "location"): S3Operation(buckets.get_bucket_location),
    ("GET", "bucket", ""): S3Operation(object_lists.list_objects),
    ("GET", "bucket", "list-type"): S3Operation(object_lists.list_objects_v2),
    ("GET", "bucket", "uploads"): S3Operation(multipart_lists.list_multipart_uploads),
    ("POST", "bucket", "delete"): S3Operation(objects.delete_objects),
    ("GET", "bucket", "lifecycle"): S3Operation(settings.get_bucket_lifecycle_configuration),
    ("PUT", "bucket", "lifecycle"): S3Operation(settings.put_bucket_lifecycle_configuration),
    ("DELETE", "bucket", "lifecycle"): S3Operation(settings.delete_bucket_lifecycle),
    ("GET", "bucket", "notification"): S3Operation(settings.get_bucket_notification_configuration),
    ("PUT", "bucket", "notification"): S3Operation(settings.put_bucket_notification_configuration),
    ("GET", "bucket", "object-lock"): S3Operation(settings.get_object_lock_configuration),
    ("PUT", "bucket", "object-lock"): S3Operation(settings.put_object_lock_configuration),
    ("GET", "bucket", "versioning"): S3Operation(settings.get_bucket_versioning),
    ("PUT", "object", ""): S3Operation(objects.put_object, takes_bytes=True),
    ("HEAD", "object", ""): S3Operation(reading.head_object),
    ("GET", "object", ""): S3Operation(reading.get_object),
    ("DELETE", "object", ""): S3Operation(objects.delete_object),
    ("PUT", "object", _COPY): S3Operation(copies.copy_object, is_slow=True),
    ("PUT", "object", _COPY_PART): S3Operation(copies.upload_part_copy, is_slow=True),
    ("POST", "object", "restore"): S3Operation(restores.restore_object),
    ("GET", "object", "tagging"): S3Operation(tags.get_object_tagging),
    ("PUT", "object", "tagging"): S3Operation(tags.put_object_tagging),
    ("DELETE", "object", "tagging"): S3Operation(tags.delete_object_tagging),
    ("GET", "object", "retention"): S3Operation(tags.get_object_retention),
    ("PUT", "object", "retention"): S3Operation(tags.put_object_retention),
    ("GET", "object", "legal-hold"): S3Operation(tags.get_object_legal_hold),
    ("PUT", "object", "legal-hold"): S3Operation(tags.put_object_legal_hold),
    ("GET", "object", "attributes"): S3Operation(attributes.get_object_attributes),
    ("POST", "object", "uploads"): S3Operation(multipart.create_multipart_upload),
    ("PUT", "object", "uploadId"): S3Operation(multipart.upload_part, takes_bytes=True),
    ("POST", "object", "uploadId"): S3Operation(multipart.complete_multipart_upload, is_slow=True),
    ("DELETE", "object", "uploadId"): S3Operation(multipart.abort_multipart_upload),
    ("GET", "object", "uploadId"): S3Operation(multipart_lists.list_parts),
}

_IMPLEMENTED: Final = {subresource for _, _, subresource in S3_OPERATIONS if subresource}

#: Subresources that S3 has and this server has not; other keys of a query only change an operation.
NOT_IMPLEMENTED: Final = frozenset({
    "accelerate", "acl", "analytics", "cors", "encryption", "intelligent-tiering", "inventory", "logging",
    "metadataConfiguration", "metadataTable", "metrics", "ownershipControls", "policy", "policyStatus",
    "publicAccessBlock", "renameObject", "replication", "requestPayment", "select", "session", "torrent",
    "versions", "website",
})  # fmt: skip

#: A host of S3 itself with a bucket before it, which clients send through a proxy.
_VIRTUAL_HOST: Final = re.compile(r"(.+)\.s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?")


def parse_s3_target(raw_path: str, host: str, own_names: tuple[str, ...]) -> S3Target:
    """Take a request target apart; the bucket comes from the host's name or from the path.

    ``own_names`` are this server's: in the Host header a bucket can stand before one.

    Raises:
        S3RefusalError: The path is not UTF-8, or the key is too long.
    """
    path, _, query_text = raw_path.partition("?")
    try:
        path = unquote(path, errors="strict")
        path.encode()
    except UnicodeError:
        raise S3RefusalError("InvalidURI") from None
    bucket = _bucket_of_host(host, own_names)
    if bucket is None:
        bucket, _, key = path.removeprefix("/").partition("/")
    else:
        key = path.removeprefix("/")
    if len(key.encode()) > behaviour.MAX_KEY_SIZE:
        raise S3RefusalError("KeyTooLongError", Size=len(key.encode()), MaxSizeAllowed=behaviour.MAX_KEY_SIZE)
    return S3Target(bucket, key, dict(parse_qsl(query_text, keep_blank_values=True)))


def _bucket_of_host(host: str, own_names: tuple[str, ...]) -> str | None:
    for name in own_names:
        if host.endswith(f".{name}"):
            return host.removesuffix(f".{name}")
    match = _VIRTUAL_HOST.fullmatch(host)
    return match[1] if match else None


def find_s3_operation(method: str, target: S3Target, headers: Mapping[str, str]) -> S3Operation:
    """Return the operation of a request.

    Raises:
        S3RefusalError: S3 has it and this server has not, or S3 has it for another method.
    """
    if unknown := NOT_IMPLEMENTED & set(target.query):
        raise not_implemented(f"the subresource {min(unknown)}")
    if target.query.get("versionId", "null") != "null":
        raise not_implemented("versions of objects")
    subresource = next((key for key in target.query if key in _IMPLEMENTED), "")
    if _COPY in headers and method == "PUT" and subresource in {"", "uploadId"}:
        subresource = _COPY_PART if subresource else _COPY
    operation = S3_OPERATIONS.get((method, target.level, subresource))
    if operation is not None:
        return operation
    if subresource or method == "POST":
        raise not_implemented(f"{method} of {subresource or 'a form'} on this level")
    raise S3RefusalError("MethodNotAllowed", Method=method, ResourceType=target.level.upper())
