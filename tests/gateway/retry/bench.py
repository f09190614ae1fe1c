"""A local Glacier, gateways around it that fail by script and try again, and errors for the script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aioglacier.core.errors import (
    AccessDeniedError,
    CertificateError,
    ConnectionFailedError,
    ConnectionLostError,
    GlacierError,
    InvalidParameterError,
    RedirectRefusedError,
    StalledTransferError,
    TemporaryServiceError,
    ThrottledError,
    UnexpectedResponseError,
    VaultNotFoundError,
)
from aioglacier.core.limits import MIB
from aioglacier.core.treehash import hash_part
from aioglacier.gateway.retry.patience import RetryPolicy
from aioglacier.gateway.retry.retrying_gateway import RetryingGateway

if TYPE_CHECKING:
    from aioglacier.core.models import ArchiveId, UploadId
    from tests.scripted import ScriptedGateway

BODY = b"november"
HASHES = hash_part(BODY)
TOPIC = "arn:aws:sns:us-east-1:012345678901:topic"
POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"glacier:DeleteVault"}]}'
)


class Bench:
    """A local Glacier, scripted and retrying gateways to it, and a clock that waiting moves."""

    def __init__(self, glacier: ScriptedGateway, october: ArchiveId | None = None) -> None:
        self.glacier = glacier
        self._october = october
        self.now = 0.0
        self.waits: list[float] = []
        self.gateway = RetryingGateway(
            self.glacier,
            RetryPolicy(),
            clock=lambda: self.now,
            sleep=self._sleep,
            now=lambda: self.glacier.now,
        )

    @property
    def october(self) -> ArchiveId:
        """The id of the archive in the vault."""
        assert self._october is not None
        return self._october

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def fails(self, operation: str, *errors: GlacierError, after_effect: bool = False) -> None:
        """Script failures of an operation."""
        for error in errors:
            self.glacier.fail(operation, error, after_effect=after_effect)

    def calls(self, operation: str) -> int:
        """Return the number of requests of an operation."""
        return self.glacier.calls[operation]


def temporary(status: int = 500, operation: str = "X", **others: Any) -> TemporaryServiceError:
    """Return a temporary refusal."""
    kind = ThrottledError if status in {400, 429} else TemporaryServiceError
    return kind("no", operation=operation, code="", status=status, **others)


def lost(*, may_have_taken_effect: bool = True) -> ConnectionLostError:
    """Return the error of a broken connection."""
    return ConnectionLostError("lost", operation="X", may_have_taken_effect=may_have_taken_effect)


def refused() -> ConnectionFailedError:
    """Return the error of a refused connection."""
    return ConnectionFailedError("refused", operation="X", may_have_taken_effect=False)


PASSING = [temporary(status) for status in (500, 502, 503, 504, 408, 429, 400)] + [
    lost(),
    refused(),
    StalledTransferError("stalled", operation="X", may_have_taken_effect=True),
]


LASTING: list[GlacierError] = [
    AccessDeniedError("no", operation="X", code="AccessDeniedException", status=403),
    InvalidParameterError("no", operation="X", code="InvalidParameterValueException", status=400),
    VaultNotFoundError("no", operation="X", code="ResourceNotFoundException", status=404),
    CertificateError("no", operation="X", may_have_taken_effect=False),
    RedirectRefusedError("no", operation="X", origin="a", location="b"),
    UnexpectedResponseError("no", operation="X", status=200, may_have_taken_effect=False),
]


def named(error: GlacierError) -> str:
    """Return the name of an error for a test's id."""
    return f"{type(error).__name__}-{getattr(error, 'status', '')}"


async def uploads(bench: Bench) -> list[UploadId]:
    """Return the ids of the unfinished uploads."""
    return [upload.id for upload in (await bench.glacier.list_multipart_uploads("photos")).items]


async def begin(bench: Bench) -> UploadId:
    """Return an upload whose one part is sent."""
    upload_id = await bench.glacier.initiate_multipart_upload("photos", part_size=MIB)
    await bench.glacier.upload_multipart_part("photos", upload_id, memoryview(BODY), start=0, hashes=HASHES)
    bench.glacier.calls.clear()
    return upload_id
