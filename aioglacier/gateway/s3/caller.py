"""The caller of the S3 API's table, and the two ways to address a bucket."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from aioglacier.core.crc import CrcHasher
from aioglacier.core.errors import IntegrityError, InvalidPlanError, ServiceError
from aioglacier.core.s3.object_checks import check_bucket_name, check_key, check_owner
from aioglacier.core.s3.objects import ChecksumAlgorithm
from aioglacier.gateway.calls.caller import Caller, SentBody
from aioglacier.gateway.contract.options import USER_AGENT
from aioglacier.gateway.http.request_bodies import TrailedBody
from aioglacier.gateway.http.signing import PAYLOAD_HASH_HEADER
from aioglacier.gateway.s3.answers import checksum_header, checksum_of
from aioglacier.gateway.s3.gateway import S3Gateway

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.core.s3.objects import BucketRef, ObjectChecksum
    from aioglacier.gateway.contract.operation import Arguments, Operation
    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.contract.protocols import Answer, RawRequest
    from aioglacier.gateway.http.wire import Wire

_NO_BODY_HASH: Final = sha256().hexdigest()


class Addressing(NamedTuple):
    """The way to address buckets at an endpoint.

    Attributes:
        has_bucket_hosts: Whether a bucket has a host of its own below the endpoint's, where its name allows.
        takes_unsigned: Whether bodies may go unsigned: over TLS, or to this machine.
    """

    has_bucket_hosts: bool
    takes_unsigned: bool


class S3Caller(Caller, S3Gateway):
    """Every operation of the S3 API that archives need, each sent once."""

    takes_empty_bodies = True

    def __init__(self, wire: Wire, options: GatewayOptions, addressing: Addressing) -> None:
        super().__init__(wire, options)
        self._addressing = addressing

    async def perform(self, operation: Operation[Any], arguments: Arguments) -> Any:
        """Send one request and read its answer.

        Raises:
            IntegrityError: The parts do not have the checksum of the whole; errors of bodies are the base's.
            InvalidPlanError: A body without a payload hash would go over a network in the clear.
        """
        is_unsigned = operation.largest_body is not None and not arguments["hashes"].payload_hash
        if is_unsigned and not self._addressing.takes_unsigned:
            raise InvalidPlanError(
                f"CRC64NVME leaves the body unsigned, and {self.origin} has no TLS; use SHA256 there"
            )
        if is_unsigned and not arguments["hashes"].crc64nvme:
            header = checksum_header(ChecksumAlgorithm.CRC64NVME)
            arguments = {**arguments, "framed": TrailedBody(arguments["body"], header, CrcHasher)}
        try:
            return await super().perform(operation, arguments)
        except ServiceError as error:
            checksum: ObjectChecksum | None = arguments.get("checksum")
            if error.arrived_hash is None or checksum is None:
                raise
            damaged = IntegrityError(
                f"object {arguments['key']!r} was not completed ({error.message})",
                expected=checksum.value,
                actual=error.arrived_hash,
                kind=str(checksum.algorithm),
            )
            damaged.add_facts(self.facts(arguments))
            raise damaged from error

    async def request(self, raw: RawRequest) -> Answer:
        """Send a request that has no row; its path begins with the bucket."""
        headers = {"User-Agent": USER_AGENT, PAYLOAD_HASH_HEADER: sha256(raw.body).hexdigest()}
        return await self.send_raw(raw, f"/{raw.path.removeprefix('/')}", headers)

    def address(self, operation: Operation[Any], arguments: Arguments) -> str:
        """See ``Caller``."""
        bucket: BucketRef | None = arguments.get("bucket")
        _, mark, query = operation.path.partition("?")
        base = self.origin
        if bucket is not None:
            base = _base(base, bucket, has_bucket_hosts=self._addressing.has_bucket_hosts)
        if "key" in arguments:
            base += f"/{_quoted(arguments['key'])}"
        elif base.count("/") == 2:  # a host alone
            base += "/"
        return f"{base}{mark}{query}"

    def headers(self, arguments: Arguments, document: memoryview) -> Mapping[str, str]:
        """See ``Caller``. Every request names the hash of its body; a row's own headers go before."""
        headers = {
            "User-Agent": USER_AGENT,
            PAYLOAD_HASH_HEADER: sha256(document).hexdigest() if document else _NO_BODY_HASH,
        }
        bucket: BucketRef | None = arguments.get("bucket")
        if bucket is not None:
            if bucket.owner is not None:
                headers["x-amz-expected-bucket-owner"] = bucket.owner
            if bucket.is_requester_pays:
                headers["x-amz-request-payer"] = "requester"
        return headers

    def describe_body(self, arguments: Arguments) -> SentBody:
        """See ``Caller``."""
        checksum = checksum_of(arguments)
        what = f"part {arguments['number']}" if "number" in arguments else f"object {arguments['key']!r}"
        return SentBody(what, checksum.value, str(checksum.algorithm))


@lru_cache(maxsize=256)
def _base(origin: str, bucket: BucketRef, *, has_bucket_hosts: bool) -> str:
    """Return the URL of a bucket, up to the key; refuse a reference that S3 would refuse."""
    name = check_bucket_name(bucket.name)
    check_owner(bucket.owner)
    scheme, _, host = origin.partition("://")
    # A certificate for *.host does not hold for a name with dots.
    if has_bucket_hosts and ("." not in name or scheme == "http"):
        return f"{scheme}://{name}.{host}"
    return f"{origin}/{name}"


@lru_cache(maxsize=1024)
def _quoted(key: str) -> str:
    """Return a key as it is sent. All parts of an upload have the same."""
    return quote(check_key(key), safe="/~")  # as the signature encodes it
