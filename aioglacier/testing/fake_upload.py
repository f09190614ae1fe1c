"""A multipart upload in memory, with the service's rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aioglacier.core.limits import VAULT
from aioglacier.core.treehash import combine, hash_part
from aioglacier.testing.refused import invalid

if TYPE_CHECKING:
    from datetime import datetime

    from aioglacier.core.treehash import PartHashes


@dataclass(slots=True)
class FakeUpload:
    """An unfinished upload; ``touched`` is its last activity."""

    id: str
    part_size: int
    description: str
    started: datetime
    touched: datetime
    parts: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)

    def put(self, start: int, body: bytes, hashes: PartHashes) -> None:
        """Take a part; the same range again replaces it. A short one in the middle is found out later."""
        range_ = f"Content-Range: bytes {start}-{start + len(body) - 1}/*"
        if start % self.part_size:
            raise invalid(f"{range_} is not aligned to the part size: {self.part_size}")
        if len(body) > self.part_size:
            raise invalid(f"{range_} is longer than the part size: {self.part_size}")
        if start // self.part_size >= VAULT.max_parts:
            raise invalid(
                f"This is part number {start // self.part_size + 1} for the current multipart upload. It "
                f"exceeds the limit of {VAULT.max_parts} parts."
            )
        self.parts[start] = (body, check_body(body, hashes))

    def join(self, size: int, tree_hash: bytes) -> bytes:
        """The whole archive.

        Raises:
            RefusedError: Parts are missing or short, or size or tree hash are not those of the parts.
        """
        if not self.parts:
            raise invalid("The multipart upload has no parts.")
        at = 0
        for start in sorted(self.parts):
            if start != at:
                raise invalid(f"The parts of the multipart upload leave a gap at byte {at}.")
            at = start + len(self.parts[start][0])
        if at != size:
            raise invalid(f"Invalid x-amz-archive-size: {size}. The parts have {at} bytes.")
        if combine(self.parts[start][1] for start in sorted(self.parts)) != tree_hash:
            raise invalid(f"Invalid x-amz-sha256-tree-hash: {tree_hash.hex()}")
        return b"".join(self.parts[start][0] for start in sorted(self.parts))


@dataclass(frozen=True, slots=True)
class EndedUpload:
    """An upload that was completed or aborted, kept a while so that the same call succeeds again."""

    ended: datetime
    size: int = 0
    tree_hash: bytes = b""
    archive_id: str | None = None


def check_body(body: bytes, hashes: PartHashes) -> bytes:
    """The tree hash of a body, if both hashes that came with it are right."""
    computed = hash_part(body)
    if computed.payload_hash != hashes.payload_hash:
        raise invalid(
            "The value passed in as x-amz-content-sha256 does not match the computed payload hash. Computed "
            f"digest: {computed.payload_hash.hex()} expected hash: {hashes.payload_hash.hex()}",
            code="InvalidSignatureException",
            status=403,
        )
    if computed.tree_hash != hashes.tree_hash:
        raise invalid(
            f"Checksum mismatch: expected {hashes.tree_hash.hex()}, computed {computed.tree_hash.hex()}"
        )
    return computed.tree_hash


REPEAT_SECONDS: Final = 24 * 3600.0
