"""The chained manifest of a move."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import IntegrityError
from aioglacier.migrate.bucket_target import BucketTarget
from aioglacier.migrate.move_manifest import BucketManifest, check_line, hash_line
from tests.migrate.conftest import bucket_of, migration_of

if TYPE_CHECKING:
    from tests.bulk.archives.conftest import OldVault

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def line(number: int, previous: str | None) -> str:
    """Return a line with the facts of a chain alone."""
    return json.dumps({"line": number, "previous": hash_line(previous)})


def test_each_line_names_the_one_before_it() -> None:
    """The first one names 64 zeros, as a shell script would check it."""
    first = line(1, None)
    assert json.loads(first)["previous"] == "0" * 64
    assert json.loads(line(2, first))["previous"] == sha256(first.encode()).hexdigest()
    assert check_line(2, first, line(2, first))["line"] == 2


@pytest.mark.parametrize("text", ["", "[]", "1", "{}", line(1, None), line(3, line(1, None)), line(2, None)])
def test_a_line_that_does_not_follow_is_refused(text: str) -> None:
    """Another number, another line before it, or no line at all."""
    with pytest.raises(IntegrityError):
        check_line(2, line(1, None), text)


@pytest.mark.slow
async def test_lines_lie_in_segments_that_name_them(old_vault: OldVault) -> None:
    """A later run adds a segment, each has its lines, and one that is missing is noticed."""
    await old_vault.fill({"a": b"1"})
    async with old_vault.connected() as glacier:
        await (await migration_of(glacier)).run()
    await old_vault.fill({"b": b"2", "c": b"3"})
    async with old_vault.connected() as glacier:
        await (await migration_of(glacier)).run()
        bucket = await bucket_of(glacier)
        manifest = BucketManifest(await BucketTarget.of(bucket), "old")
        segments = await manifest.segments()
        assert [(each.first, each.last) for each in segments] == [(1, 1), (2, 3)]
        assert segments[0].key == "old/.aioglacier/old/manifest-000000000001-000000000001.jsonl"
        numbers = [number async for number, _ in manifest.lines()]
        assert numbers == [1, 2, 3]
        await bucket.delete(segments[0].key.removeprefix("old/"))
        with pytest.raises(IntegrityError):
            assert [each async for each in manifest.lines()]
