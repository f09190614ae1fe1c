"""The service's numbers, each with its source, and no others.

"Guide" is the Amazon S3 Glacier Developer Guide for the vault API of 2012-06-01.
"""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

#: The unit of a tree hash (Guide, "Computing Checksums").
LEAF_SIZE: Final = MIB

#: Part sizes are 1 MiB times a power of two within these bounds (Guide, "Initiate Multipart Upload").
MIN_PART_SIZE: Final = MIB
MAX_PART_SIZE: Final = 4 * GIB

#: Parts of one upload (Guide, "Uploading Large Archives in Parts", quick facts).
MAX_PARTS: Final = 10_000

#: Follows from the two above: about 40 TB.
MAX_ARCHIVE_SIZE: Final = MAX_PARTS * MAX_PART_SIZE

#: The largest body of one UploadArchive request (Guide, "Upload Archive").
MAX_SINGLE_UPLOAD_SIZE: Final = 4 * GIB

#: Archive and job descriptions: characters from 0x20 to 0x7E (Guide, "Upload Archive", "Initiate Job").
MAX_DESCRIPTION_LENGTH: Final = 1_024

#: Vault names: a-z, A-Z, 0-9, "_", "-", "." (Guide, "Create Vault").
MAX_VAULT_NAME_LENGTH: Final = 255

#: Vaults per account and region (Guide, "Creating a Vault").
MAX_VAULTS: Final = 1_000

#: Largest pages of the lists (Guide, "List Vaults"; "List Jobs", "List Multipart Uploads", "List Parts").
MAX_VAULTS_PER_PAGE: Final = 10
MAX_ITEMS_PER_PAGE: Final = 50

#: An upload without activity may be removed after this long (Guide, "Uploading Large Archives in Parts").
UPLOAD_IDLE_SECONDS: Final = 24 * 3600

#: A job and its output are kept at least this long after completion (Guide, "Initiate Job").
JOB_OUTPUT_SECONDS: Final = 24 * 3600

#: Tags of one vault, and in one request (Guide, "Tagging Your Vaults").
MAX_TAGS: Final = 50
MAX_TAGS_PER_REQUEST: Final = 10
MAX_TAG_KEY_LENGTH: Final = 128
MAX_TAG_VALUE_LENGTH: Final = 255

#: Access and lock policies (Guide, "Set Vault Access Policy").
MAX_POLICY_SIZE: Final = 20 * KIB

#: A vault lock must be completed this soon after it was initiated (Guide, "Initiate Vault Lock").
VAULT_LOCK_SECONDS: Final = 24 * 3600

#: Provisioned capacity units of one account (Guide, "Purchase Provisioned Capacity").
MAX_CAPACITY_UNITS: Final = 2

#: Added to each archive in a vault's SizeInBytes: seen as 65,536 for 2 archives and 131,072 for 4.
ARCHIVE_OVERHEAD: Final = 32 * KIB

#: The earliest deletion that is not charged for the rest (Guide, "Deleting an Archive").
MINIMUM_STORAGE_DAYS: Final = 90
