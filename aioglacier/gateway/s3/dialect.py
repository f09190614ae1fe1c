"""S3's errors: XML with a code, or only a status where the answer is one to HEAD."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from aioglacier.core import errors
from aioglacier.gateway.contract.dialect import SENTENCES, Dialect, ErrorDocument, Refusal, by_code
from aioglacier.gateway.http.service_errors import printable
from aioglacier.gateway.s3 import documents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

    from aioglacier.gateway.contract.protocols import Answer

#: Codes for answers to HEAD, which have no body.
_CODES_BY_STATUS: Final[Mapping[int, str]] = {
    301: "PermanentRedirect",
    307: "TemporaryRedirect",
    400: "BadRequest",
    403: "AccessDenied",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    412: "PreconditionFailed",
}

#: Bytes within which an error document begins, be there white space before it.
_LONGEST_ERROR: Final = 64 * 1024

#: Codes of a body that arrived with another checksum than was sent with it.
_OTHER_BYTES: Final = frozenset({
    "BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "XAmzTrailerChecksumMismatch",
})  # fmt: skip

#: Actions that differ from the operation's name (service authorization reference, "Actions for Amazon S3").
_ACTIONS: Final[Mapping[str, str]] = {
    "CompleteMultipartUpload": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetObjectAttributes": "GetObject and s3:GetObjectAttributes",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "UploadPart": "PutObject",
}


class S3Dialect(Dialect):
    """The dialect of the S3 API."""

    name = "S3"
    signing_name = "s3"
    signs_path_as_sent = True
    has_hosts_below = True
    request_id_header = "x-amz-request-id"
    errors_in_success = True
    kinds = by_code({
        errors.AccessDeniedError: "AccessDenied AccountProblem AllAccessDisabled NotSignedUp",
        errors.BucketExistsError: "BucketAlreadyExists",
        errors.BucketIsYoursError: "BucketAlreadyOwnedByYou",
        errors.BucketNotFoundError: "NoSuchBucket",
        errors.ClockSkewError: "RequestTimeTooSkewed",
        errors.CredentialsExpiredError: "ExpiredToken TokenRefreshRequired",
        errors.InsufficientCapacityError: "GlacierExpeditedRetrievalNotAvailable",
        errors.InvalidCredentialsError:
            "AuthorizationHeaderMalformed InvalidAccessKeyId InvalidToken SignatureDoesNotMatch",
        errors.InvalidParameterError:
            "BadRequest EntityTooLarge EntityTooSmall InvalidArgument InvalidBucketName InvalidPart "
            "InvalidPartOrder InvalidRange InvalidRequest InvalidStorageClass KeyTooLong KeyTooLongError "
            "MalformedXML MetadataTooLarge TooManyParts",
        errors.LimitExceededError: "TooManyBuckets",
        errors.NotRetrievedError: "InvalidObjectState",
        errors.ObjectConflictError: "ConditionalRequestConflict",
        errors.ObjectExistsError: "PreconditionFailed",
        errors.ObjectNotFoundError: "NoSuchKey NoSuchVersion",
        errors.ResourceNotFoundError:
            "NoSuchLifecycleConfiguration NotFound ObjectLockConfigurationNotFoundError",
        errors.RestoreInProgressError: "RestoreAlreadyInProgress",
        errors.TemporaryServiceError: "InternalError OperationAborted RequestTimeout ServiceUnavailable",
        errors.ThrottledError: "SlowDown",
        errors.UploadNotFoundError: "NoSuchUpload",
        errors.WrongRegionError: "IllegalLocationConstraint PermanentRedirect TemporaryRedirect",
    })  # fmt: skip
    sentences: ClassVar[Mapping[type[errors.GlacierError], str]] = {
        **SENTENCES,
        errors.NotRetrievedError: "the object must be restored before it can be read: {message}",
        errors.ObjectExistsError: "there is an object under this key; choose another, or allow to overwrite "
        "it: {message}",
    }

    def holds_error(self, answer: Answer) -> bool:
        """See ``Dialect``."""
        return _error(answer) is not None

    def read_error(self, answer: Answer) -> ErrorDocument:
        """See ``Dialect``. An answer to HEAD has no document; a proxy's answer has no request id either."""
        root = _error(answer)
        if root is not None:
            return ErrorDocument(
                (documents.get(root, "Code") or "")[:100], printable(documents.get(root, "Message") or "")
            )
        if not answer.body and self.request_id_header in answer.headers:
            return ErrorDocument(_CODES_BY_STATUS.get(answer.status, ""), "")
        return ErrorDocument("", "")

    def specify(self, refusal: Refusal) -> type[errors.GlacierError]:
        """See ``Dialect``. A request that was signed for another region meets one of two statuses.

        The answer to HEAD is a bare 400 then, as for expired credentials: the region makes the difference.
        """
        if refusal.document.code in {"AuthorizationHeaderMalformed", "BadRequest"} and (
            _region(refusal.answer) not in {None, refusal.region}
        ):
            return errors.WrongRegionError
        return refusal.kind

    def complete(self, error: errors.GlacierError, document: ErrorDocument, answer: Answer) -> None:
        """Add the bucket's region, and the hash of other bytes."""
        if isinstance(error, errors.WrongRegionError):
            error.region = _region(answer)
            where = f"in {error.region}; connect to that region" if error.region else "in another region"
            error.args = (f"the bucket is {where}. Nothing was sent there: {error.message}",)
        elif document.code in _OTHER_BYTES and isinstance(error, errors.ServiceError):
            root = _error(answer)
            computed = documents.get(root, "S3ComputedContentSHA256") if root is not None else None
            is_hash = computed is not None and re.fullmatch(r"[0-9a-f]{64}", computed)
            error.arrived_hash = bytes.fromhex(computed) if computed and is_hash else b""

    def action_of(self, operation: str) -> str:
        """See ``Dialect``."""
        return f"s3:{_ACTIONS.get(operation, operation)}"


def _error(answer: Answer) -> Element | None:
    """Return the error document of an answer, ``None`` for anything else."""
    if b"<Error" not in answer.body[:_LONGEST_ERROR]:  # a page of a list is not parsed twice
        return None
    try:
        root = documents.parse(answer.body)
    except ValueError:
        return None
    return root if root.tag == "Error" else None


def _region(answer: Answer) -> str | None:
    """Return the region of the bucket that an answer tells: in a header, by name, or in an endpoint."""
    region = answer.headers.get("x-amz-bucket-region")
    root = _error(answer)
    if region or root is None:
        return region
    if found := documents.get(root, "Region"):
        return found
    endpoint = re.search(r"\bs3[.-]([a-z]{2}(?:-[a-z]+)+-\d)\.", documents.get(root, "Endpoint") or "")
    return endpoint[1] if endpoint else None


BUCKETS: Final = S3Dialect()
