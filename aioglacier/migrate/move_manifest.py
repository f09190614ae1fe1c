"""The manifest of a move: a line for each proven archive, chained, in the catalog and in the bucket.

A line is JSON. Its "previous" is the SHA-256 of the line before it, so no line can be changed, removed or
inserted without breaking every later one. In the bucket the lines lie in segments, objects of up to a
thousand lines, named after their first and last line:
``.aioglacier/VAULT/manifest-000000000001-000000001000.jsonl``. They can be read and checked without this
package.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aioglacier.core.errors import IntegrityError
from aioglacier.core.s3.moved_metadata import MOVE_FOLDER
from aioglacier.core.s3.objects import ObjectSettings, StorageClass
from aioglacier.core.treehash import hash_part
from aioglacier.transfer.object_store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from aioglacier.catalog.moves.manifest_lines import ManifestLines
    from aioglacier.catalog.records import MovedBundle, MovedRecord, MoveRecord
    from aioglacier.core.s3.objects import ObjectHead
    from aioglacier.migrate.bucket_target import BucketTarget

#: Lines of one segment: one PUT request for a thousand archives.
_LINES: Final = 1000

#: Leading zeros make S3 list the segments in the order of their lines.
_NAME: Final = re.compile(r"manifest-(\d{12})-(\d{12})\.jsonl$")

#: The "previous" of the first line.
_BEGINNING: Final = "0" * 64


class Segment(NamedTuple):
    """Some lines of a manifest in the bucket, from ``first`` to ``last``, both included."""

    key: str
    first: int
    last: int


def write_line(
    number: int,
    previous: str | None,
    moved: MovedRecord,
    head: ObjectHead,
    bucket: str,
    now: datetime,
    bundle: MovedBundle | None = None,
) -> str:
    """Return the line of an archive that was proven to be an object, or to be in a bundle."""
    archive, checksum = moved.archive, head.checksum
    facts = {
        "line": number,
        "previous": hash_line(previous),
        "proven": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "vault": archive.vault,
        "archive_id": archive.id,
        "created": f"{archive.created:%Y-%m-%dT%H:%M:%SZ}",
        "description": archive.description,
        "size": archive.size,
        "tree_hash": archive.tree_hash.hex(),
        "bucket": bucket,
        "key": head.key,
        "version_id": head.version_id,
        "etag": head.etag,
        "storage_class": head.storage_class,
        "sha256": checksum.value.hex() if checksum is not None else None,
        "parts": checksum.parts if checksum is not None else None,
        "token": moved.token,
    }
    if bundle is not None:
        facts["token"] = bundle.token
        facts["bundle"] = {
            "size": bundle.size, "tree_hash": bundle.tree_hash.hex(), "path": moved.name,
            "position": moved.position,
        }  # fmt: skip
    return json.dumps(facts)


def hash_line(line: str | None) -> str:
    """Return the "previous" of the line that follows this one; ``None`` if the first line follows."""
    return _BEGINNING if line is None else sha256(line.encode()).hexdigest()


def check_line(number: int, previous: str | None, line: str) -> dict[str, Any]:
    """Return the facts of a line that follows another.

    Raises:
        IntegrityError: The text is no line, has another number, or does not follow the previous line.
    """
    try:
        facts = json.loads(line)
        is_next = (facts["line"], facts["previous"]) == (number, hash_line(previous))
    except (ValueError, KeyError, TypeError):
        facts, is_next = {}, False
    if not is_next:
        raise IntegrityError(
            f"line {number} of the manifest was changed, or does not follow the one before it",
            expected=b"",
            actual=b"",
        )
    return dict(facts)


class BucketManifest:
    """The manifest of a vault in a bucket.

    Attributes:
        folder: The place of its segments below the prefix.
    """

    def __init__(self, target: BucketTarget, vault: str) -> None:
        self._target = target
        self.folder: Final = f"{MOVE_FOLDER}{vault}/"

    async def segments(self) -> list[Segment]:
        """List the segments in order."""
        return [
            Segment(entry.key, int(match[1]), int(match[2]))
            async for entry in self._target.objects(f"{self.folder}manifest-")
            if (match := _NAME.search(entry.key))
        ]

    async def lines(self) -> AsyncIterator[tuple[int, str]]:
        """Yield every line with its number, in order and checked.

        Raises:
            IntegrityError: A line is missing, was changed or does not follow the one before it.
        """
        number, previous = 0, None
        for segment in await self.segments():
            async with self._target.gateway.get_object(self._target.ref, segment.key) as output:
                # Bytes that are no text fail the check of the chain.
                text = b"".join([block async for block in output]).decode(errors="replace")
            for line in text.splitlines():
                number += 1
                check_line(number, previous, line)
                yield number, line
                previous = line
            # The chain cannot show that lines are missing at the end of the last segment.
            if number != segment.last:
                raise IntegrityError(
                    f"{segment.key} ends at line {number}, not {segment.last}", expected=b"", actual=b""
                )

    async def write_new(self, recorded: ManifestLines, move: MoveRecord, *, least: int = 1) -> None:
        """Write the lines of the catalog that the bucket lacks, if there are at least ``least``."""
        # The bucket is asked each time: a kill may leave a segment that the catalog does not know.
        segments = await self.segments()
        after = segments[-1].last if segments else 0
        last = await recorded.last_number(move)
        if last - after < least:
            return
        lines: list[str] = []
        async for moved in recorded.list_all(move, after):
            lines.append(moved.line or "")
            if len(lines) == _LINES:
                await self._write(after + 1, lines)
                after, lines = after + len(lines), []
        if lines:
            await self._write(after + 1, lines)

    async def _write(self, first: int, lines: list[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        name = f"manifest-{first:012d}-{first + len(lines) - 1:012d}.jsonl"
        target, content = self._target, text.encode()
        settings = ObjectSettings(storage_class=StorageClass.STANDARD, content_type="application/jsonl")
        # The store replaces no object, so no other writer can change proven lines.
        store = ObjectStore(target.gateway, target.ref, f"{target.prefix}{self.folder}{name}", settings)
        await store.store_whole(memoryview(content), hash_part(content), None)
