"""The report of a move: its manifest compared with the bucket's objects and with the catalog."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio

from aioglacier.core.errors import IntegrityError
from aioglacier.core.models import Archive, ArchiveId
from aioglacier.core.s3.objects import ChecksumAlgorithm, ObjectChecksum
from aioglacier.migrate.bucket_target import BucketTarget
from aioglacier.migrate.move_manifest import BucketManifest
from aioglacier.migrate.object_proof import bundle_metadata, find_difference, metadata_sent
from aioglacier.tasks.groups import first_cause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.catalog.records import MovedRecord, MoveRecord
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.vault import Vault

#: HEAD requests side by side.
_AT_ONCE: Final = 16

#: Findings kept in memory: a bucket that lost its objects has one for each line.
_KEPT: Final = 1000


class Finding(NamedTuple):
    """A line of the manifest that was changed, or that bucket or catalog contradict."""

    line: int
    key: str
    reason: str


@dataclass(slots=True)
class Report:
    """The result of comparing the manifest of a move.

    Attributes:
        lines: Lines of the manifest in the bucket.
        proven: Lines whose object is in the bucket and is the archive, by token, metadata, size and SHA-256.
        unwritten: Lines of the catalog that the bucket's manifest lacks; the next run writes them.
        findings: Lines that bucket or catalog contradict, the first thousand.
        count: How many findings there are.
    """

    lines: int = 0
    proven: int = 0
    unwritten: int = 0
    findings: list[Finding] = field(default_factory=list)
    count: int = 0

    @property
    def is_valid(self) -> bool:
        """Whether bucket and catalog confirm every line."""
        return not self.count

    def add(self, line: int, key: str, reason: str) -> None:
        """Note a finding."""
        self.count += 1
        if len(self.findings) < _KEPT:
            self.findings.append(Finding(line, key, reason))


class ProvenLine(NamedTuple):
    """A line of the manifest that bucket and catalog agree on, and the archive on record."""

    facts: dict[str, Any]
    moved: MovedRecord


async def check_report(vault: Vault, bucket: Bucket) -> Report:
    """Compare the manifest of a vault's move to a bucket with the bucket and the catalog.

    This costs one HEAD request for each line, and changes nothing.
    """
    target = await BucketTarget.of(bucket)
    context = vault.context.recorded()
    move = await context.catalog.moves.find(context.key, target.url)
    report = Report()
    give, take = anyio.create_memory_object_stream[ProvenLine](0)

    async def look() -> None:
        async for line in take:
            reason = await find_change(target, line.facts)
            if reason:
                report.add(line.facts["line"], line.facts["key"], reason)
            else:
                report.proven += 1

    with take, first_cause():
        async with anyio.create_task_group() as tasks, give:
            for _ in range(_AT_ONCE):
                tasks.start_soon(look)
            async for line in proven_lines(vault, target, move, report):
                await give.send(line)
    return report


async def proven_lines(
    vault: Vault, target: BucketTarget, move: MoveRecord | None, report: Report
) -> AsyncIterator[ProvenLine]:
    """Yield the lines that bucket and catalog agree on, and note in the report where they do not.

    The chain is checked from its beginning, so each line that is yielded follows from all before it.
    """
    lines = vault.context.recorded().catalog.manifest_lines
    recorded = lines.list_all(move) if move is not None else None
    last = await lines.last_number(move) if move is not None else 0
    try:
        async for number, line in BucketManifest(target, vault.name).lines():
            report.lines = number
            moved = await anext(recorded, None) if recorded is not None else None
            facts = check_facts(number, line)
            if moved is None or moved.line_number != number:
                report.add(number, facts["key"], "the catalog has no such line: it is older, or another one")
            elif moved.line != line:
                report.add(number, facts["key"], "the catalog has another line")
            elif (facts["archive_id"], facts["tree_hash"], facts["size"]) != (
                moved.archive.id,
                moved.archive.tree_hash.hex(),
                moved.archive.size,
            ):
                report.add(number, facts["key"], "the inventory has another archive under this id")
            else:
                yield ProvenLine(facts, moved)
    except IntegrityError as error:  # a broken chain proves none of the later lines
        report.add(report.lines + 1, target.url, error.message)
    report.unwritten = max(0, last - report.lines)  # an older catalog has fewer lines than the bucket


def check_facts(number: int, line: str) -> dict[str, Any]:
    """Return the facts of a line whose place in the chain was checked.

    Raises:
        IntegrityError: A fact that a proof needs is missing.
    """
    facts: dict[str, Any] = json.loads(line)
    # The token may be null: an object that was taken over has none.
    names = {"archive_id", "vault", "size", "tree_hash", "description", "created", "key", "sha256", "token"}
    bundle = facts.get("bundle", {"size": 0, "tree_hash": ""})
    is_bundled = isinstance(bundle, dict) and {"size", "tree_hash"} <= bundle.keys()
    if not names <= facts.keys() or not isinstance(facts["sha256"], str) or not is_bundled:
        raise IntegrityError(f"line {number} of the manifest proves nothing", expected=b"", actual=b"")
    return facts


async def find_change(target: BucketTarget, facts: dict[str, Any]) -> str:
    """Return how the object of a line has changed since it was proven; "" if it has not."""
    head = await target.head(facts["key"].removeprefix(target.prefix))
    if head is None:
        return "the object is gone"
    archive = Archive(
        id=ArchiveId(facts["archive_id"]),
        vault=facts["vault"],
        size=facts["size"],
        tree_hash=bytes.fromhex(facts["tree_hash"]),
        description=facts["description"],
        created=datetime.fromisoformat(facts["created"]),
    )
    checksum = ObjectChecksum(ChecksumAlgorithm.SHA256, bytes.fromhex(facts["sha256"]), facts["parts"])
    metadata, size = metadata_sent(archive, facts["token"]), archive.size
    if (bundle := facts.get("bundle")) is not None:
        metadata, size = bundle_metadata(archive.vault, bundle["tree_hash"], facts["token"]), bundle["size"]
    if difference := find_difference(head, metadata, size, checksum):
        return f"the object is another one: {difference}"
    # Without a token no metadata tells this object from a later one.
    if facts["token"] is None and head.etag != facts["etag"]:
        return f"the object has the etag {head.etag}, not {facts['etag']}"
    # Each write makes a new version, also a write of the same bytes.
    if head.version_id != facts["version_id"]:
        return f"the object is of version {head.version_id}, not {facts['version_id']}"
    return ""
