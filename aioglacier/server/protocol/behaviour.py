"""The uncertain behaviour of the service, in one table.

Each value is this server's behaviour where the service's documents are silent, contradict each other or leave
the choice to an implementation. A correction by a user of the real service is a change of one line here.
Clients must not depend on any of it.

Marks: "unconfirmed" is a guess about the service; "choice" is ours, because it cannot be observed.
"""

from typing import Final

# --- answers ------------------------------------------------------------------------------------------

#: Answers 201 and 202 carry two bytes of JSON (recorded 2012 and 2018; the guide says no body). Unconfirmed
#: today.
EMPTY_DOCUMENT: Final = b"{}"

#: A path and method that name no operation (unconfirmed).
UNKNOWN_OPERATION: Final = (404, "UnknownOperationException", "The requested operation does not exist.")

#: A path whose first segment is not an account (one SDK has seen BadRequest).
BAD_ACCOUNT: Final = (400, "BadRequest", "The request path does not begin with an account ID: {path}")

#: "." and ".." as a path segment (choice): the service's signature rules remove them from the path.
BAD_SEGMENT: Final = (400, "BadRequest", "The request path cannot hold '.' or '..'.")

#: A request target with unescaped bytes beyond ASCII (choice).
NOT_ASCII: Final = (400, "BadRequest", "The request path holds a character that must be percent-encoded.")

#: A wrong API version (unconfirmed).
BAD_VERSION: Final = (400, "InvalidParameterValueException", "Invalid API version: {version}")

#: A request that is not well-formed HTTP, such as a control character in a header (code unconfirmed).
NOT_HTTP: Final = (400, "BadRequest", "The request is not well-formed HTTP: {reason}")

#: A Host header that does not name this server, if no key protects it (choice).
FOREIGN_HOST: Final = (
    403,
    "AccessDeniedException",
    "This server does not answer to the name {host}: use its address, or allow the name with --allow-host.",
)

#: A body sent without Content-Length: refused, 400 or 411 (unconfirmed which).
NO_LENGTH: Final = (400, "MissingParameterValueException", "Required parameter missing: Content-Length")

#: A JSON body longer than any operation can need (choice). Policies are the longest: 20 KB, escaped.
MAX_DOCUMENT_SIZE: Final = 256 * 1024
DOCUMENT_TOO_LONG: Final = (400, "SerializationException", "The request body is too long.")

#: A page size out of range, and a marker this server never gave (unconfirmed).
BAD_LIMIT: Final = "Invalid limit: {limit}. Limit must be between 1 and {largest}."
BAD_MARKER: Final = "Invalid marker: {marker}"

# --- signatures ---------------------------------------------------------------------------------------

#: No signature at all: the guide says 400, AWS in general 403 (unconfirmed).
NO_SIGNATURE: Final = (400, "MissingAuthenticationTokenException", "Missing Authentication Token")

#: A malformed Authorization header (unconfirmed).
INCOMPLETE_SIGNATURE: Final = (403, "IncompleteSignatureException", "Authorization header: {reason}")

#: An unknown access key or a wrong token: the guide says 400, 403 was seen (unconfirmed).
UNKNOWN_KEY: Final = (
    403,
    "UnrecognizedClientException",
    "The security token included in the request is invalid.",
)
EXPIRED_TOKEN: Final = (403, "ExpiredTokenException", "The security token included in the request is expired")

#: The body differs from x-amz-content-sha256 (text and status seen, code unconfirmed).
PAYLOAD_MISMATCH: Final = (
    403,
    "InvalidSignatureException",
    (
        "The value passed in as x-amz-content-sha256 does not match the computed payload hash. "
        "Computed digest: {computed} expected hash: {expected}"
    ),
)

#: UNSIGNED-PAYLOAD and STREAMING-... are S3's (choice, unconfirmed).
UNSIGNED_PAYLOAD: Final = (
    403,
    "InvalidSignatureException",
    "The value of x-amz-content-sha256 is not a SHA-256: {value}",
)

# --- vaults -------------------------------------------------------------------------------------------

NO_ACCESS_POLICY: Final = "No vault access policy is set for: {arn}"  # unconfirmed
NO_LOCK: Final = "No vault lock policy is set for: {arn}"  # unconfirmed
LOCK_EXISTS: Final = "A vault lock is already in progress or in place for: {arn}"  # unconfirmed
VAULT_LOCKED: Final = "The vault is locked: {arn}"  # unconfirmed
BAD_LOCK_ID: Final = "Invalid vault lock ID: {id}"  # unconfirmed
BAD_ACCESS_POLICY: Final = (
    "The specified vault access policy is invalid. Provide a valid policy."  # unconfirmed
)
BAD_EVENT: Final = "Invalid event: {event}"  # unconfirmed
BAD_TOPIC: Final = "Invalid SNS topic ARN: {topic}"  # unconfirmed
TOO_MANY_TAGS: Final = "The maximum number of tags per vault is {limit}."  # unconfirmed
TOO_MANY_VAULTS: Final = "The limit of {limit} vaults per account and region is reached."  # unconfirmed
TOO_MUCH_CAPACITY: Final = "The limit of {limit} provisioned capacity units is reached."  # unconfirmed
DELETE_DENIED: Final = (
    "User: arn:aws:iam::{account}:root is not authorized to perform: glacier:DeleteArchive on resource: "
    "{arn} with an explicit deny"
)  # unconfirmed

#: Refuse a Tags or TagKeys object with none or more than ten entries (unconfirmed text).
BAD_TAG_COUNT: Final = "The number of tags in a request must be between 1 and {limit}."
BAD_TAG: Final = "Invalid tag: {tag}"

# --- archives and uploads -----------------------------------------------------------------------------

#: CompleteMultipartUpload and AbortMultipartUpload may be repeated for so long ("a short time"; choice).
REPEAT_SECONDS: Final = 24 * 3600

UPLOAD_NOT_FOUND: Final = "The upload ID was not found: {id}"  # unconfirmed
ARCHIVE_NOT_FOUND: Final = "The archive ID was not found: {id}"  # unconfirmed
PART_NOT_ALIGNED: Final = "Content-Range: {range} is not aligned to the part size: {part_size}"  # unconfirmed
PART_TOO_LONG: Final = "Content-Range: {range} is longer than the part size: {part_size}"  # unconfirmed
NO_PARTS: Final = "The multipart upload has no parts."  # unconfirmed
PARTS_MISSING: Final = "The parts of the multipart upload leave a gap at byte {at}."  # unconfirmed
SIZE_MISMATCH: Final = "Invalid x-amz-archive-size: {size}. The parts have {actual} bytes."  # unconfirmed
BAD_DESCRIPTION: Final = (
    "Invalid description: 0 to 1024 characters from 0x20 to 0x7E are allowed."  # unconfirmed
)
BAD_HASH: Final = "Invalid {header}: {value}"  # seen for x-amz-sha256-tree-hash
REQUEST_TIMED_OUT: Final = (408, "RequestTimeoutException", "Request timed out.")

#: A body that stands still for so long is answered with 408 (duration unconfirmed; seconds, real time).
BODY_IDLE_SECONDS: Final = 60.0

#: A connection without a complete request head is closed after so long (seconds, real time; choice).
HEAD_IDLE_SECONDS: Final = 75.0

# --- jobs ---------------------------------------------------------------------------------------------

#: From initiation to completion, in seconds of the virtual clock (the guide's spans: 1-5 minutes, 3-5 and
#: 5-12 hours; inventories recorded at 3:55 to 4:01 h).
JOB_DELAY_SECONDS: Final = {
    "Expedited": 180.0,
    "Standard": 4 * 3600.0,
    "Bulk": 8 * 3600.0,
    "Inventory": 4 * 3600.0,
}

#: From the first change since the last inventory to the next one ("about daily").
INVENTORY_LAG_SECONDS: Final = 24 * 3600.0

NO_INVENTORY: Final = (
    404,
    "ResourceNotFoundException",
    "No inventory is available for the vault yet: {arn}",
)  # choice
JOB_NOT_FOUND: Final = "The job ID was not found: {id}"  # seen
JOB_SUCCEEDED: Final = "Succeeded"
ARCHIVE_GONE: Final = "The archive was deleted while the job ran."  # text unconfirmed
OUTPUT_FAILED: Final = "The job output could not be written."  # text unconfirmed

#: Jobs carry a Tier since 2017; inventory jobs show null (unconfirmed).
INVENTORY_TIER: Final = None

SELECT_NOT_SUPPORTED: Final = "select jobs are not supported"  # choice
RANGE_NOT_ALIGNED: Final = "Invalid retrieval byte range: {range}"  # unconfirmed

#: "bytes=5-" and "bytes=-5" are served as in RFC 9110; several ranges and other forms are ignored (choice).
#: A range that covers everything is still answered 206 (unconfirmed).
FULL_RANGE_STATUS: Final = 206

#: The end of a line in CSV inventories (unconfirmed: LF or CRLF).
CSV_LINE_END: Final = "\n"

# --- account ------------------------------------------------------------------------------------------

#: The answer of GetDataRetrievalPolicy before one was set (shape unconfirmed).
DEFAULT_RULE: Final = {"BytesPerHour": None, "Strategy": "None"}

#: FreeTier: 10 GB a month, pro rata (historic); bytes an hour that jobs of Standard tier may retrieve.
FREE_TIER_BYTES_PER_HOUR: Final = 10 * 1024**3 // (30 * 24)

#: The rate of one job: its bytes over so many hours (choice).
JOB_RATE_HOURS: Final = 4
