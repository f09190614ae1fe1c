"""Check arguments and write them into a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from aioglacier.core.s3.object_checks import check_restore, check_settings
from aioglacier.gateway.contract.row_columns import write_date
from aioglacier.gateway.http.signing import PAYLOAD_HASH_HEADER, UNSIGNED_PAYLOAD, UNSIGNED_WITH_TRAILER
from aioglacier.gateway.s3 import answers, documents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.core.s3.objects import ObjectChecksum
    from aioglacier.gateway.contract.operation import Arguments, Writer


def _setting(name: str, write: Any = str) -> Writer:
    """Return the writer of one of an object's settings, which leaves out what is not set."""

    def written(arguments: Arguments) -> Any:
        value = getattr(arguments["settings"], name)
        return None if value is None else write(value)

    return written


def write_switch(value: bool) -> str:  # a writer takes the value by position
    """Write a yes or no."""
    return "true" if value else "false"


def write_unless_overwriting(arguments: Arguments) -> str | None:
    """Let a write fail where an object has the key, unless it may be replaced."""
    return None if arguments.get("overwrite") else "*"


def _body_checksum(arguments: Arguments) -> dict[str, str]:
    checksum = answers.checksum_of(arguments)
    header = answers.checksum_header(checksum.algorithm)
    if "framed" not in arguments:
        return {header: documents.write_checksum(checksum)}
    size = str(arguments["body"].nbytes)
    return {"x-amz-trailer": header, "x-amz-decoded-content-length": size, "Content-Encoding": "aws-chunked"}


def _payload_hash(arguments: Arguments) -> str:
    if "framed" in arguments:
        return UNSIGNED_WITH_TRAILER
    return arguments["hashes"].payload_hash.hex() or UNSIGNED_PAYLOAD


def write_whole_checksum(arguments: Arguments) -> dict[str, str]:
    """Write the checksum of the whole object, if it is one; one of the parts' checksums is compared after."""
    checksum: ObjectChecksum | None = arguments.get("checksum")
    if checksum is None:
        return {}
    if checksum.parts is not None:
        return {"x-amz-checksum-type": "COMPOSITE"}
    return {
        "x-amz-checksum-type": "FULL_OBJECT",
        answers.checksum_header(checksum.algorithm): documents.write_checksum(checksum),
    }


def write_restore_request(arguments: Arguments) -> bytes:
    """Check the tier and the days of a restore, and write its document."""
    tier, days = arguments.get("tier"), arguments["days"]
    check_restore(tier, days, arguments.get("storage_class"))
    return documents.write_restore(days, tier).encode()


#: Headers of a new object. A writer that returns a mapping gives one header for each item, and the name of
#: its column begins theirs.
SETTINGS: Final[Mapping[str, Writer]] = {
    "x-amz-storage-class": lambda arguments: str(check_settings(arguments["settings"]).storage_class),
    "x-amz-meta-": _setting("metadata", dict),
    "x-amz-tagging": _setting("tags", lambda tags: urlencode(tags, quote_via=quote) or None),
    "Content-Type": _setting("content_type"),
    "x-amz-server-side-encryption": _setting("encryption"),
    "x-amz-server-side-encryption-aws-kms-key-id": _setting("kms_key"),
    "x-amz-server-side-encryption-bucket-key-enabled": _setting("uses_bucket_key", write_switch),
    "x-amz-object-lock-mode": _setting("lock_mode"),
    "x-amz-object-lock-retain-until-date": _setting("locked_until", write_date),
    "x-amz-object-lock-legal-hold": _setting("is_held", lambda is_held: "ON" if is_held else "OFF"),
}

#: Headers of a body: its checksum, and the hash that is signed, which is the same 32 bytes with SHA-256.
BODY_CHECKSUM: Final[Mapping[str, Writer]] = {PAYLOAD_HASH_HEADER: _payload_hash, "": _body_checksum}
