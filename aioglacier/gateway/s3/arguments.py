"""Check arguments, write them into a request, and charge for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from aioglacier.core.models import Tier
from aioglacier.core.s3.object_checks import check_restore, check_settings
from aioglacier.core.spending import Charge
from aioglacier.gateway.contract.row_columns import write_date
from aioglacier.gateway.http.signing import PAYLOAD_HASH_HEADER, UNSIGNED_PAYLOAD, UNSIGNED_WITH_TRAILER
from aioglacier.gateway.s3 import answers, documents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.core.s3.objects import ObjectChecksum, ObjectHead
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


def write_checksum_type(algorithm: str) -> str:
    """Say whether the value of the whole is of all bytes, or of the parts' values."""
    # SHA-256 has no value of a whole whose parts were hashed one by one.
    return "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"


def write_completion(arguments: Arguments) -> bytes:
    """Write the document that names the parts of an object."""
    return documents.write_completion(arguments["parts"], arguments.get("checksum")).encode()


def pin_object(head: ObjectHead) -> Arguments:
    """Let a request for the rest of an object meet the same bytes, or fail."""
    pinned = {"part_number": None, "etag": head.etag}
    return pinned | ({"version_id": head.version_id} if head.version_id else {})


def charge_object(arguments: Arguments) -> Charge:
    """Charge an object that is sent whole."""
    size, storage_class = arguments["body"].nbytes, arguments["settings"].storage_class
    return Charge(uploads=1, stored=size, archives=1, storage_class=storage_class)


def charge_beginning(arguments: Arguments) -> Charge:
    """Charge the beginning of an upload, whose parts charge their bytes."""
    return Charge(parts=1, archives=1, storage_class=arguments["settings"].storage_class)


def charge_restore(arguments: Arguments) -> Charge:
    """Charge a restore and its copy, whose size only the caller knows."""
    tier, days = arguments.get("tier") or Tier.STANDARD, arguments.get("days") or 0
    return Charge(tier=tier, retrieved=arguments.get("size"), days=days)


def charge_list(arguments: Arguments) -> Charge:
    """Charge a page of a list."""
    del arguments
    return Charge(lists=1)


def charge_head(arguments: Arguments) -> Charge:
    """Charge a request for the facts of an object or of a bucket."""
    del arguments
    return Charge(heads=1)


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
