"""The check of AWS Signature Version 4, as the service makes it.

It is written from the published rules and not shared with the client, so that a mistake of one is not a
mistake of both. The steps are those of the rules: a canonical request, a string to sign, a signature. The
refusal of a wrong signature shows all three.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_to_bytes

from aioglacier.server.protocol import behaviour
from aioglacier.server.protocol.refusal import RefusalError, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


SERVICE: Final = "glacier"
CLOCK_WINDOW: Final = timedelta(minutes=5)

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_DATE: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_SPACES: Final = re.compile(r" +")
_FIELDS: Final = re.compile(r"([A-Za-z]+)=([^,\s]+)")

_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details.\n\n"
    "The Canonical String for this request should have been\n'{canonical}'\n\n"
    "The String-to-Sign should have been\n'{to_sign}'\n"
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair whose signatures are accepted.

    Attributes:
        session_token: If given, requests must send it as ``x-amz-security-token``.
        expires: From this real time on the answer is ExpiredTokenException.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The parts of a request that a signature covers, as they were sent.

    Attributes:
        target: The request target, path and query, still percent-encoded.
        headers: Names in lower case; of equal names all values in order.
        payload_hash: SHA-256 of the body in hex.
    """

    method: str
    target: str
    headers: Mapping[str, Sequence[str]]
    payload_hash: str

    def header(self, name: str) -> str | None:
        """Return a header's value as it is signed: ends trimmed, runs of spaces collapsed, values joined."""
        values = self.headers.get(name)
        if values is None:
            return None
        # Runs of spaces count as one (SigV4, "Create a canonical request").
        return ",".join(_SPACES.sub(" ", value.strip(" \t")) for value in values)


@dataclass(frozen=True, slots=True)
class Authorization:
    """The parts of an ``Authorization`` header."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str

    @property
    def scope(self) -> str:
        """The scope that the signing key is limited to."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


class Verifier:
    """Checks signatures against a set of credentials for one region."""

    def __init__(self, credentials: Iterable[Credentials], *, region: str) -> None:
        self._credentials = {pair.access_key_id: pair for pair in credentials}
        self._region = region

    def verify(self, request: SignedRequest, now: datetime) -> None:
        """Accept the request's signature, or refuse the request.

        Raises:
            RefusalError: The signature is missing, malformed, unknown, expired, early, late or wrong.
        """
        authorization = parse_authorization(request.header("authorization"))
        # In the order in which the service refuses, as far as is known.
        pair = self._known_pair(authorization, request, now)
        amz_date = _signing_date(request)
        _check_clock(amz_date, now)
        self._check_scope(authorization, amz_date)
        _check_signed_headers(authorization, request)
        canonical = canonical_request(request, authorization.signed_headers)
        to_sign = string_to_sign(canonical, amz_date, authorization.scope)
        expected = sign(pair.secret_access_key, authorization, to_sign)
        # In constant time, as every check of a secret.
        if not hmac.compare_digest(expected.encode(), authorization.signature.encode()):
            # By which a client's author finds the mistake.
            raise _wrong(_MISMATCH.format(canonical=canonical, to_sign=to_sign))

    def _known_pair(self, authorization: Authorization, request: SignedRequest, now: datetime) -> Credentials:
        pair = self._credentials.get(authorization.access_key_id)
        if pair is None or pair.session_token != request.header("x-amz-security-token"):
            raise refuse(behaviour.UNKNOWN_KEY)
        if pair.expires is not None and pair.expires <= now:
            raise refuse(behaviour.EXPIRED_TOKEN)
        return pair

    def _check_scope(self, authorization: Authorization, amz_date: str) -> None:
        if authorization.date != amz_date[:8]:
            raise _wrong(
                f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
                f"'{authorization.date}' != '{amz_date[:8]}', from '{amz_date}'."
            )
        if authorization.region != self._region:
            raise _wrong(f"Credential should be scoped to a valid region, not '{authorization.region}'.")
        if authorization.service != SERVICE:
            raise _wrong(f"Credential should be scoped to correct service: '{SERVICE}'.")


def nearest_clock(date: str | None, *clocks: datetime) -> datetime:
    """Return the clock that a signing date is nearest to, the first one without a date.

    Some SDKs set their clock by the Date of answers, which is the virtual clock's; others sign by the real.
    """
    try:
        signed = datetime.strptime(date or "", "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return clocks[0]
    return min(clocks, key=lambda clock: abs(clock - signed))


def parse_authorization(text: str | None) -> Authorization:
    """Return the parts of the header, which may come in any order, with or without spaces.

    Raises:
        RefusalError: There is no header, or it is malformed.
    """
    if text is None:
        raise refuse(behaviour.NO_SIGNATURE)
    algorithm, _, rest = text.partition(" ")
    if algorithm != _ALGORITHM:
        raise refuse(behaviour.INCOMPLETE_SIGNATURE, reason=f"the algorithm must be {_ALGORITHM}")
    fields = dict(_FIELDS.findall(rest))
    for name in ("Credential", "SignedHeaders", "Signature"):
        if name not in fields:
            raise refuse(behaviour.INCOMPLETE_SIGNATURE, reason=f"'{name}' is missing")
    credential = fields["Credential"].rsplit("/", 4)  # from the right: an access key may hold a slash
    if len(credential) != 5 or credential[4] != "aws4_request":
        raise refuse(behaviour.INCOMPLETE_SIGNATURE, reason="'Credential' is malformed")
    key, date, region, service, _ = credential
    signed = tuple(fields["SignedHeaders"].lower().split(";"))
    return Authorization(key, date, region, service, signed, fields["Signature"])


def canonical_request(
    request: SignedRequest,
    signed_headers: Iterable[str],
    *,
    canonical_path: Callable[[str], str] | None = None,
) -> str:
    """Return the request in the one form that both sides sign; S3 has a ``canonical_path`` of its own."""
    path, _, query = request.target.partition("?")
    names = sorted(signed_headers)
    lines = "".join(f"{name}:{request.header(name) or ''}\n" for name in names)
    return "\n".join(
        (
            request.method,
            (canonical_path or _canonical_path)(path),
            _canonical_query(query),
            lines,
            ";".join(names),
            request.payload_hash,
        )
    )


def string_to_sign(canonical: str, amz_date: str, scope: str) -> str:
    """Return the text that the signing key is applied to."""
    return "\n".join((_ALGORITHM, amz_date, scope, hashlib.sha256(_octets(canonical)).hexdigest()))


def sign(secret: str, authorization: Authorization, to_sign: str) -> str:
    """Return the signature in hex."""
    key = signing_key(secret, authorization.date, authorization.region, authorization.service)
    return hmac.new(key, _octets(to_sign), hashlib.sha256).hexdigest()


def authorization_for(
    request: SignedRequest, pair: Credentials, *, date: str, region: str, service: str
) -> str:
    """Return an ``Authorization`` header over all headers of a request of our own."""
    names = tuple(sorted(request.headers))
    unsigned = Authorization(pair.access_key_id, date[:8], region, service, names, "")
    to_sign = string_to_sign(canonical_request(request, names), date, unsigned.scope)
    return (
        f"{_ALGORITHM} Credential={pair.access_key_id}/{unsigned.scope}, SignedHeaders={';'.join(names)}, "
        f"Signature={sign(pair.secret_access_key, unsigned, to_sign)}"
    )


@lru_cache(maxsize=64)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Return the key that a scope's signatures are made with."""
    key = f"AWS4{secret}".encode()
    for message in (date, region, service, "aws4_request"):
        key = hmac.new(key, _octets(message), hashlib.sha256).digest()
    return key


def _canonical_path(path: str) -> str:
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:  # the service removes dots before it signs; S3 does not
            segments.append(segment)
    ending = "/" if segments and path.endswith("/") else ""
    return quote("/" + "/".join(segments) + ending, safe="/-_.~", errors="surrogateescape")


def _canonical_query(query: str) -> str:
    pairs = []
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        pairs.append((_encode_once(name), _encode_once(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encode_once(text: str) -> str:
    return quote(unquote_to_bytes(_octets(text)), safe="-_.~")  # whatever the client has escaped, and how


def _signing_date(request: SignedRequest) -> str:
    date = request.header("x-amz-date") or request.header("date") or ""
    if not _DATE.fullmatch(date):
        raise refuse(
            behaviour.INCOMPLETE_SIGNATURE, reason="'X-Amz-Date' or a 'Date' in basic ISO form is needed"
        )
    return date


def _check_clock(amz_date: str, now: datetime) -> None:
    try:
        signed = datetime.strptime(amz_date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise refuse(behaviour.INCOMPLETE_SIGNATURE, reason=f"no such date: {amz_date}") from None
    if signed < now - CLOCK_WINDOW:
        bound = _basic(now - CLOCK_WINDOW)
        raise _wrong(f"Signature expired: {amz_date} is now earlier than {bound} ({_basic(now)} - 5 min.)")
    if signed > now + CLOCK_WINDOW:
        bound = _basic(now + CLOCK_WINDOW)
        raise _wrong(
            f"Signature not yet current: {amz_date} is still later than {bound} ({_basic(now)} + 5 min.)"
        )


def _check_signed_headers(authorization: Authorization, request: SignedRequest) -> None:
    signed = set(authorization.signed_headers)
    if "host" not in signed or not signed & {"x-amz-date", "date"}:
        raise _wrong("'Host' and 'X-Amz-Date' or 'Date' must be signed headers.")
    for values in request.headers.values():
        # The service fails on such signatures, so clients must not rely on them here.
        if not all(value.isascii() for value in values):
            raise _wrong("The request signature cannot be checked: a header is not ASCII.")


def _wrong(message: str) -> RefusalError:
    return RefusalError(403, "InvalidSignatureException", message)


def _basic(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}"


def _octets(text: str) -> bytes:
    # ``aiohttp`` gives other bytes so, and the client signed the bytes.
    return text.encode("utf-8", "surrogateescape")
