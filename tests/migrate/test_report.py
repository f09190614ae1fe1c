"""The report of a move: its manifest compared with bucket and catalog."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import IntegrityError
from aioglacier.migrate import check_report
from aioglacier.migrate.bucket_target import BucketTarget
from aioglacier.migrate.move_manifest import BucketManifest
from aioglacier.migrate.report import Report, check_facts, find_change
from tests.migrate.conftest import bucket_of, migration_of

if TYPE_CHECKING:
    from tests.bulk.archives.conftest import OldVault


def test_a_report_keeps_the_first_findings_and_counts_all() -> None:
    """A move of a million archives may have as many findings."""
    report = Report()
    for number in range(1001):
        report.add(number, "k", "gone")
    assert (report.count, len(report.findings), report.is_valid) == (1001, 1000, False)


@pytest.mark.parametrize("missing", ["archive_id", "size", "tree_hash", "key", "sha256", "token"])
def test_a_line_that_lacks_a_fact_proves_nothing(missing: str) -> None:
    """A proof needs each of them, and a SHA-256 that is known."""
    names = ("archive_id", "vault", "size", "tree_hash", "description", "created", "key", "sha256", "token")
    facts = dict.fromkeys(names, "x")
    assert check_facts(1, json.dumps(facts)) == facts
    for changed in (
        {name: "x" for name in names if name != missing},
        {**facts, "sha256": None},
        {**facts, "bundle": {"size": 1}},
        {**facts, "bundle": "x"},
    ):
        with pytest.raises(IntegrityError):
            check_facts(1, json.dumps(changed))


@pytest.mark.slow
async def test_an_object_of_another_version_or_checksum_is_a_finding(old_vault: OldVault) -> None:
    """Each fact of a line is compared with the object's head."""
    await old_vault.fill({"a": b"1"})
    async with old_vault.connected() as glacier:
        await (await migration_of(glacier)).run()
        target = await BucketTarget.of(await bucket_of(glacier))
        ((_, line),) = [each async for each in BucketManifest(target, "old").lines()]
        facts = check_facts(1, line)
        assert await find_change(target, facts) == ""
        for change in (
            {"version_id": "another"}, {"sha256": "00" * 32}, {"parts": 2}, {"size": 2}, {"token": "0" * 16},
            {"tree_hash": "00" * 32}, {"description": "b"}, {"created": "2001-01-01T00:00:00Z"},
            {"key": "old/b"}, {"archive_id": "x"}, {"vault": "new"},
        ):  # fmt: skip
            assert await find_change(target, {**facts, **change}), change


@pytest.mark.slow
async def test_lines_that_the_bucket_lacks_are_counted(old_vault: OldVault) -> None:
    """A kill may have kept the last lines from the bucket; the next run writes them."""
    await old_vault.fill({"a": b"1", "b": b"2"})
    async with old_vault.connected() as glacier:
        bucket, vault = await bucket_of(glacier), glacier.vault("old")
        await (await migration_of(glacier)).run()
        (key,) = [entry.key async for entry in bucket.objects(".aioglacier/old/manifest-")]
        await bucket.delete(key)
        report = await check_report(vault, bucket)
        assert (report.lines, report.unwritten, report.is_valid) == (0, 2, True)
        await (await migration_of(glacier)).run()
        assert (await check_report(vault, bucket)).proven == 2
