"""The numbers of each service, one object a service, each number with its source.

"Guide" is the Amazon S3 Glacier Developer Guide for the vault API of 2012-06-01.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

#: The unit of a tree hash (Guide, "Computing Checksums").
LEAF_SIZE: Final = MIB


class PartLimits(Protocol):
    """The limits of an upload in parts, which every kind of place has; ``ServiceLimits`` describes them."""

    @property
    def min_part_size(self) -> int: ...  # noqa: D102
    @property
    def max_part_size(self) -> int: ...  # noqa: D102
    @property
    def max_parts(self) -> int: ...  # noqa: D102
    @property
    def max_archive_size(self) -> int: ...  # noqa: D102


class ServiceLimits(NamedTuple):
    """The limits of one service: sizes, counts and times.

    A named tuple: every program loads it, and a dataclass of this size takes five times as long to make.
    """

    min_part_size: int  # bytes of a part, at least. A part size is this times a power of two.
    max_part_size: int  # bytes of a part, at most
    max_parts: int  # parts of one upload
    max_archive_size: int  # bytes of one archive
    max_single_upload_size: int  # bytes of an archive that is sent in one request
    max_description_length: int  # characters of an archive's or a job's description
    max_vault_name_length: int  # characters of a vault's name
    max_vaults: int  # vaults of an account in one region
    max_vaults_per_page: int  # vaults in one page of their list
    max_items_per_page: int  # jobs, uploads or parts in one page of their list
    upload_idle_seconds: int  # an upload without activity for so long may be removed
    job_output_seconds: int  # a job and its output are kept at least so long after completion
    max_tags: int  # tags of one vault
    max_tags_per_request: int  # tags added or removed in one request
    max_tag_key_length: int  # characters of a tag's key
    max_tag_value_length: int  # characters of a tag's value
    max_policy_size: int  # bytes of an access or a lock policy
    vault_lock_seconds: int  # a vault lock must be completed so soon after it was initiated
    max_capacity_units: int  # provisioned capacity units of one account
    archive_overhead: int  # bytes that are stored and billed with each archive
    minimum_storage_days: int  # an archive deleted earlier is charged for as many days


#: The vault service.
VAULT: Final = ServiceLimits(
    # Guide, "Initiate Multipart Upload".
    min_part_size=MIB,
    max_part_size=4 * GIB,
    # Guide, "Uploading Large Archives in Parts", quick facts; the archive's size follows, about 40 TB.
    max_parts=10_000,
    max_archive_size=10_000 * 4 * GIB,
    # Guide, "Upload Archive".
    max_single_upload_size=4 * GIB,
    # Guide, "Upload Archive" and "Initiate Job".
    max_description_length=1_024,
    # Guide, "Create Vault" and "Creating a Vault".
    max_vault_name_length=255,
    max_vaults=1_000,
    # Guide, "List Vaults", "List Jobs", "List Multipart Uploads", "List Parts".
    max_vaults_per_page=10,
    max_items_per_page=50,
    # Guide, "Uploading Large Archives in Parts".
    upload_idle_seconds=24 * 3600,
    # Guide, "Initiate Job".
    job_output_seconds=24 * 3600,
    # Guide, "Tagging Your Vaults".
    max_tags=50,
    max_tags_per_request=10,
    max_tag_key_length=128,
    max_tag_value_length=255,
    # Guide, "Set Vault Access Policy".
    max_policy_size=20 * KIB,
    # Guide, "Initiate Vault Lock".
    vault_lock_seconds=24 * 3600,
    # Guide, "Purchase Provisioned Capacity".
    max_capacity_units=2,
    # Seen in a vault's SizeInBytes: 65,536 for 2 archives and 131,072 for 4.
    archive_overhead=32 * KIB,
    # Guide, "Deleting an Archive".
    minimum_storage_days=90,
)

#: An upload without activity for so long is worth a warning: six hours are left to send something.
IDLE_WARNING_SECONDS: Final = VAULT.upload_idle_seconds - 6 * 3600


class S3Limits(NamedTuple):
    """The limits of S3's buckets, objects and multipart uploads.

    Attributes:
        min_part_size: Bytes of a part in our plans, at least.
        smallest_part_size: Bytes of a part but the last that the service takes, at least.
        max_part_size: Bytes of a part in our plans, at most.
        max_parts: Parts of one upload.
        max_archive_size: Bytes of one object.
        max_body_size: Bytes of one part or of an object that is sent in one request.
        max_key_size: Bytes of a key in UTF-8.
        max_metadata_size: Bytes of all names and values of an object's user metadata.
        max_items_per_page: Objects, parts or uploads in one page of their list.
        max_tags: Tags of one object.
        max_tag_key_length: Characters of a tag's key.
        max_tag_value_length: Characters of a tag's value.
    """

    min_part_size: int
    smallest_part_size: int
    max_part_size: int
    max_parts: int
    max_archive_size: int
    max_body_size: int
    max_key_size: int
    max_metadata_size: int
    max_items_per_page: int
    max_tags: int
    max_tag_key_length: int
    max_tag_value_length: int


#: S3 (user guide, "Amazon S3 multipart upload limits", "Object metadata", "Naming objects", "Tagging").
S3: Final = S3Limits(
    # Powers of two, so that each part is a node of the tree hash.
    min_part_size=8 * MIB,
    smallest_part_size=5 * MIB,
    max_part_size=4 * GIB,
    max_parts=10_000,
    max_archive_size=10_000 * 5 * GIB,
    max_body_size=5 * GIB,
    max_key_size=1_024,
    max_metadata_size=2 * KIB,
    max_items_per_page=1_000,
    max_tags=10,
    max_tag_key_length=128,
    max_tag_value_length=256,
)
