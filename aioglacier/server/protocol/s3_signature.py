"""The check of S3's signatures: in headers, in the query of a signed URL, and over the chunks of a body.

S3 uses Signature Version 4 with rules of its own: the path is signed as it is, the payload hash is whatever
``x-amz-content-sha256`` says, and each chunk of a streamed body is signed with the signature before it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from aioglacier.server.protocol import sigv4
from aioglacier.server.protocol.s3_refusals import S3RefusalError
from aioglacier.server.protocol.sigv4 import Authorization, SignedRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aioglacier.server.protocol.sigv4 import Credentials

CLOCK_WINDOW: Final = timedelta(minutes=15)
#: Seconds that a signed URL can be valid for: seven days.
MAX_URL_SECONDS: Final = 7 * 24 * 3600
UNSIGNED: Final = "UNSIGNED-PAYLOAD"

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_DATE: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_FIELDS: Final = re.compile(r"([A-Za-z]+)=([^,\s]+)")
_EMPTY_HASH: Final = hashlib.sha256(b"").hexdigest()


@dataclass(slots=True)
class ChunkSigner:
    """The signatures of a body's chunks: each covers the one before, the first that of the head."""

    key: bytes
    date: str
    scope: str
    previous: str

    def check_chunk(self, payload_hash: str, signature: str) -> None:
        """Accept a chunk's signature.

        Raises:
            S3RefusalError: The signature is wrong.
        """
        lines = ("AWS4-HMAC-SHA256-PAYLOAD", self.date, self.scope, self.previous, _EMPTY_HASH, payload_hash)
        self._check("\n".join(lines), signature)

    def check_trailer(self, trailer_hash: str, signature: str) -> None:
        """Accept the signature of the lines behind the last chunk.

        Raises:
            S3RefusalError: The signature is wrong.
        """
        lines = ("AWS4-HMAC-SHA256-TRAILER", self.date, self.scope, self.previous, trailer_hash)
        self._check("\n".join(lines), signature)

    def _check(self, to_sign: str, signature: str) -> None:
        expected = hmac.new(self.key, to_sign.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise S3RefusalError("SignatureDoesNotMatch", StringToSign=to_sign, SignatureProvided=signature)
        self.previous = expected  # so that chunks cannot change places


@dataclass(frozen=True, slots=True)
class _Claim:
    """A signature with everything that it names, from headers or from a query."""

    authorization: Authorization
    date: str
    token: str | None
    target: str
    payload_hash: str
    valid_seconds: int | None = None


class S3Verifier:
    """Checks S3 signatures against a set of credentials for one region."""

    def __init__(self, credentials: Iterable[Credentials], *, region: str) -> None:
        self._credentials = {pair.access_key_id: pair for pair in credentials}
        self._region = region

    def verify(self, request: SignedRequest, now: datetime) -> ChunkSigner:
        """Accept a request's signature; return the signer of its body's chunks.

        Raises:
            S3RefusalError: The signature is missing, malformed, unknown, expired, early, late or wrong.
        """
        claim = _claim_of_query(request) or _claim_of_headers(request)
        authorization = claim.authorization
        pair = self._known_pair(authorization.access_key_id, claim.token, now)
        self._check_scope(claim)
        _check_clock(claim, now)
        canonical = sigv4.canonical_request(
            replace(request, target=claim.target, payload_hash=claim.payload_hash),
            authorization.signed_headers,
            canonical_path=_canonical_path,
        )
        to_sign = sigv4.string_to_sign(canonical, claim.date, authorization.scope)
        expected = sigv4.sign(pair.secret_access_key, authorization, to_sign)
        if not hmac.compare_digest(expected.encode(), authorization.signature.encode("utf-8", "replace")):
            raise S3RefusalError(
                "SignatureDoesNotMatch",
                AWSAccessKeyId=authorization.access_key_id,
                StringToSign=to_sign,
                SignatureProvided=authorization.signature,
                CanonicalRequest=canonical,
            )
        key = sigv4.signing_key(pair.secret_access_key, authorization.date, authorization.region, "s3")
        return ChunkSigner(key, claim.date, authorization.scope, expected)

    def _known_pair(self, access_key_id: str, token: str | None, now: datetime) -> Credentials:
        pair = self._credentials.get(access_key_id)
        if pair is None:
            raise S3RefusalError("InvalidAccessKeyId", AWSAccessKeyId=access_key_id)
        if pair.session_token != token:  # a token for a lasting pair is wrong, too
            raise S3RefusalError("InvalidToken")
        if pair.expires is not None and pair.expires <= now:
            raise S3RefusalError("ExpiredToken")
        return pair

    def _check_scope(self, claim: _Claim) -> None:
        authorization = claim.authorization
        if authorization.region != self._region:
            raise S3RefusalError(
                "AuthorizationHeaderMalformed",
                f"The authorization header is malformed; the region '{authorization.region}' is wrong; "
                f"expecting '{self._region}'",
                headers={"x-amz-bucket-region": self._region},  # clients sign again for this region
                Region=self._region,
            )
        if authorization.service != "s3":
            raise _malformed(f"incorrect service '{authorization.service}'; this endpoint belongs to 's3'.")
        if authorization.date != claim.date[:8]:
            raise _malformed(f"invalid credential date '{authorization.date}'")
        if "host" not in authorization.signed_headers:
            raise S3RefusalError(
                "AccessDenied", "There were headers present in the request which were not signed"
            )


def _claim_of_headers(request: SignedRequest) -> _Claim:
    text = request.header("authorization")
    if text is None and "AWSAccessKeyId=" not in request.target:
        raise S3RefusalError("AccessDenied")  # anonymous
    algorithm, _, rest = (text or "").partition(" ")
    if algorithm != _ALGORITHM:  # or a URL that is signed with version 2
        raise S3RefusalError(
            "InvalidRequest",
            f"The authorization mechanism you have provided is not supported. Please use {_ALGORITHM}.",
        )
    payload_hash = request.header("x-amz-content-sha256")
    if payload_hash is None:
        raise S3RefusalError(
            "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"
        )
    fields = dict(_FIELDS.findall(rest))
    if missing := {"Credential", "SignedHeaders", "Signature"} - set(fields):
        raise _malformed(f"missing {', '.join(sorted(missing))}")
    date = request.header("x-amz-date") or ""
    authorization = _authorization(fields["Credential"], fields["SignedHeaders"], fields["Signature"])
    token = request.header("x-amz-security-token")
    return _Claim(authorization, _checked_date(date), token, request.target, payload_hash)


def _claim_of_query(request: SignedRequest) -> _Claim | None:
    path, _, query = request.target.partition("?")
    values: Mapping[str, str] = dict(parse_qsl(query, keep_blank_values=True))
    if "X-Amz-Signature" not in values and "X-Amz-Algorithm" not in values:
        return None
    needed = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
    if any(f"X-Amz-{name}" not in values for name in needed) or values["X-Amz-Algorithm"] != _ALGORITHM:
        raise S3RefusalError(
            "AuthorizationQueryParametersError",
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
            "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        )
    seconds = values["X-Amz-Expires"]
    if not seconds.isdecimal() or not 0 < int(seconds) <= MAX_URL_SECONDS:
        raise S3RefusalError(
            "AuthorizationQueryParametersError",
            "X-Amz-Expires must be a number of seconds from 1 to a week (604800)",
        )
    # A signature cannot cover itself.
    signed = "&".join(pair for pair in query.split("&") if not pair.startswith("X-Amz-Signature="))
    return _Claim(
        _authorization(values["X-Amz-Credential"], values["X-Amz-SignedHeaders"], values["X-Amz-Signature"]),
        _checked_date(values["X-Amz-Date"]),
        # Some SDKs send it as a header of a signed URL.
        values.get("X-Amz-Security-Token") or request.header("x-amz-security-token"),
        f"{path}?{signed}",
        request.header("x-amz-content-sha256") or UNSIGNED,
        int(seconds),
    )


def _authorization(credential: str, signed_headers: str, signature: str) -> Authorization:
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request":
        raise _malformed(
            'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
        )
    key, date, region, service, _ = parts
    return Authorization(key, date, region, service, tuple(signed_headers.lower().split(";")), signature)


def _checked_date(date: str) -> str:
    if not _DATE.fullmatch(date):
        raise S3RefusalError("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
    return date


def _check_clock(claim: _Claim, now: datetime) -> None:
    try:
        signed = datetime.strptime(claim.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise _malformed(f"no such date: {claim.date}") from None
    if claim.valid_seconds is not None:  # a signed URL has a life of its own
        expires = signed + timedelta(seconds=claim.valid_seconds)
        if now > expires:
            raise S3RefusalError(
                "AccessDenied",
                "Request has expired",
                details={"X-Amz-Expires": claim.valid_seconds},
                Expires=f"{expires:%Y-%m-%dT%H:%M:%SZ}",
                ServerTime=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            )
        if signed > now + CLOCK_WINDOW:
            raise S3RefusalError("AccessDenied", "Request is not valid yet")
    elif abs(signed - now) > CLOCK_WINDOW:
        raise S3RefusalError(
            "RequestTimeTooSkewed", RequestTime=claim.date, ServerTime=f"{now:%Y-%m-%dT%H:%M:%SZ}"
        )


def _canonical_path(path: str) -> str:
    decoded = unquote_to_bytes(path.encode("utf-8", "surrogateescape"))
    return quote(decoded or b"/", safe="/-_.~")  # dots and double slashes belong to a key


def _malformed(reason: str) -> S3RefusalError:
    return S3RefusalError("AuthorizationHeaderMalformed", f"The authorization header is malformed; {reason}")
