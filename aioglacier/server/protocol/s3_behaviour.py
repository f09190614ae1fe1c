"""The numbers of S3 with their sources, and what this server does where S3's documents are silent.

"API" is the Amazon S3 API Reference of 2006-03-01, "User Guide" the Amazon S3 User Guide. Marks as in
``behaviour``.
"""

from typing import Final

from aioglacier.core.limits import GIB, KIB, MIB

#: User Guide, "Amazon S3 multipart upload limits".
MIN_PART_SIZE: Final = 5 * MIB
MAX_PART_SIZE: Final = 5 * GIB
MAX_PARTS: Final = 10_000
MAX_OBJECT_SIZE: Final = MAX_PARTS * MAX_PART_SIZE

#: User Guide, "Creating object key names" and "Working with object metadata".
MAX_KEY_SIZE: Final = 1024
MAX_METADATA_SIZE: Final = 2 * KIB

#: User Guide, "Categorizing your storage using tags".
MAX_TAGS: Final = 10
MAX_TAG_KEY_LENGTH: Final = 128
MAX_TAG_VALUE_LENGTH: Final = 256

#: API, "ListObjectsV2", "ListParts", "ListMultipartUploads", "DeleteObjects", "GetObjectAttributes".
MAX_PAGE: Final = 1000

#: User Guide, "Object Lock considerations": the longest default retention.
MAX_LOCK_YEARS: Final = 100

#: The longest document: a completion of 10,000 parts with a checksum each has 1.8 MB (choice).
MAX_DOCUMENT_SIZE: Final = 4 * MIB

#: User Guide, "General purpose bucket quotas".
MAX_BUCKETS: Final = 10_000

#: A completion that takes longer is answered 200 at once, with white space until it ends (seconds, real time;
#: choice).
EARLY_ANSWER_SECONDS: Final = 5.0

#: The storage classes that this server takes. EXPRESS_ONEZONE, OUTPOSTS and SNOW need other endpoints.
STORAGE_CLASSES: Final = (
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
)

#: Classes that are read after a restore, and the seconds of each tier, within the spans of the API,
#: "RestoreObject".
RESTORE_SECONDS: Final = {
    "GLACIER": {"Expedited": 180.0, "Standard": 4 * 3600.0, "Bulk": 8 * 3600.0},
    "DEEP_ARCHIVE": {"Standard": 12 * 3600.0, "Bulk": 48 * 3600.0},
}

#: User Guide, "Amazon S3 storage classes": days that are billed although an object is deleted earlier.
MINIMUM_DAYS: Final = {
    "STANDARD_IA": 30,
    "ONEZONE_IA": 30,
    "GLACIER_IR": 90,
    "GLACIER": 90,
    "DEEP_ARCHIVE": 180,
}
