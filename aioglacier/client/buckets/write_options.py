"""The keywords of every method that writes an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.core.s3.objects import ChecksumAlgorithm, ObjectSettings, StorageClass


class WriteOptions(TypedDict, total=False):
    """The keywords of ``open_writer``, ``upload``, ``prepare_upload`` and ``open_or_resume`` of a bucket.

    Attributes:
        storage_class: The object's class; by default the bucket's. There is no other default: it is money for
            months.
        metadata: Up to 2 KB of ASCII, of which 100 bytes are used here.
        tags: Up to ten.
        description: Up to 1,024 printable ASCII characters, kept in the metadata.
        part_size: A power of two from 8 MiB to 4 GiB. By default 8 MiB, which ends at 78 GiB, or what fits
            ``expected_size``.
        expected_size: Bytes to come, if known. Any other number is an error, and no object is made.
        keep_unfinished: Do not abort an unfinished upload.
        overwrite: Replace an object that has this key. Otherwise it is an error, as a rule before a part is
            sent.
        checksum: "SHA256", the default, proves every part and the whole, and is what the signature covers.
            "CRC64NVME" takes a tenth of the CPU and finds damage, but no forgery: bodies are not signed and
            need TLS, and the object has no tree hash. "auto" is SHA256, and MD5 at a store that refuses or
            ignores the headers of S3's additional checksums, which AWS never does.
        settings: Content type, encryption and Object Lock; its class, metadata and tags do not count.
    """

    storage_class: StorageClass | str | None
    metadata: Mapping[str, str] | None
    tags: Mapping[str, str] | None
    description: str | None
    part_size: int | None
    expected_size: int | None
    keep_unfinished: bool
    overwrite: bool
    checksum: ChecksumAlgorithm | str
    settings: ObjectSettings | None
