"""The one promise: whatever happens to a folder, its catalog and its place, what is said of it is true.

For a long run::

    AIOGLACIER_PROMISE_EXAMPLES=1000 AIOGLACIER_PROMISE_STEPS=20 \
        python -m pytest -n0 --timeout 36000 tests/bulk/test_promise.py
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, note, settings, strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from aioglacier.bulk import FolderSync
from aioglacier.bulk.formats.bundle_sidecar import SIDECAR_SUFFIX
from tests.bulk.folder_promise import CHOICE, POINTS, FolderPromise
from tests.bulk.promise_house import BUCKET, OPTIONS, VAULT

if TYPE_CHECKING:
    import aioglacier
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.vault import Vault

pytestmark = pytest.mark.slow


class VaultPromise(FolderPromise):
    """The promise for a vault, which has inventories."""

    @rule(point=st.sampled_from(["", *POINTS["empty"]]))
    def empty_vault(self, point: str) -> None:
        """All archives are deleted by the program, which may be killed meanwhile."""
        self._unsure(None)
        words = ("vault", "empty", VAULT, "--yes")
        if (code := self._program(*words, "--lose-files", crash_at=point)) == 2:  # no file would be lost
            code = self._program(*words, crash_at=point)
        assert code in {0, -9}
        self.check_restore()

    @rule(days=st.sampled_from([0, 4]), point=st.sampled_from(["", *POINTS["inventory"]]))
    def take_inventory(self, days: int, point: str) -> None:
        """The catalog is compared with the vault's own list, by a program that may be killed before."""
        if days:
            self._portal.call(self._server.advance, days * 86400.0)
        if self._program("inventory", VAULT, crash_at=point) == -9:
            # Its job is found again, or an older one, which says nothing about later archives.
            assert self._program("inventory", VAULT) == 0
        self.check_restore()

    @rule(which=CHOICE, is_lacking=st.booleans())
    def take_strange_inventory(self, which: int, is_lacking: bool) -> None:
        """An inventory lacks an archive, or says another size of it."""
        archives = self._archives()
        if not archives:
            return
        archive_id = list(archives)[which % len(archives)]
        self._unsure({archive_id})
        listed = []
        for each, (size, tree_hash) in archives.items():
            if each == archive_id and is_lacking:
                continue
            more = 1 if each == archive_id else 0
            listed.append(
                {
                    "ArchiveId": each,
                    "ArchiveDescription": "",
                    "CreationDate": "2020-01-01T00:00:00Z",
                    "Size": size + more,
                    "SHA256TreeHash": str(tree_hash),
                }
            )
        date = (datetime.now(UTC) + timedelta(days=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
        arn = f"arn:aws:glacier:us-east-1:012345678901:vaults/{VAULT}"
        document = self._folder / "inventory.json"
        document.write_text(json.dumps({"VaultARN": arn, "InventoryDate": date, "ArchiveList": listed}))
        code = self._program("catalog", "rebuild", VAULT, str(document))
        assert code in {0, 4}
        self.check_restore()

    # --- a vault

    async def _open(self, glacier: aioglacier.Glacier) -> Vault:
        return await glacier.create_vault(VAULT)

    async def _settle_in(self, place: Vault) -> None:
        await place.describe()

    async def _delete(self, place: Vault, archive_id: str) -> None:
        await place.delete_archive(archive_id)

    def _learn(self) -> None:
        self._portal.call(self._server.run_inventory)
        assert self._program("inventory", VAULT) == 0

    def _jobs(self) -> dict[str, object]:
        """Return the archive and range of each retrieval that the service lists, by the job's id."""

        async def run(vault: Vault) -> dict[str, object]:
            return {job.id: (job.archive_id, job.byte_range) async for job in vault.jobs() if job.archive_id}

        return self._call(run)

    def _archives(self) -> dict[str, tuple[int, str]]:
        """The archives that exist at the service."""
        self._portal.call(self._server.run_inventory)

        async def run(vault: Vault) -> dict[str, tuple[int, str]]:
            job = await vault.retrieve_inventory()
            await job.wait_until_done()
            return {each.id: (each.size, each.tree_hash.hex()) async for each in job.inventory()}

        return self._call(run)


class BucketPromise(FolderPromise):
    """The promise for a bucket, whose list is always new and which keeps unfinished uploads."""

    place = BUCKET
    storage_class = "GLACIER_IR"
    sync_options = ("--storage-class=GLACIER_IR",)
    operations = ("PutObject", "UploadPart", "CompleteMultipartUpload")
    refusal = "AccessDenied"

    @rule()
    def count_uploads(self) -> None:
        """Each unfinished upload is on record, or the next sync says their number."""

        async def run(bucket: Bucket) -> int:
            uploads = bucket.context.catalog.uploads
            strays = [each async for each in bucket.uploads() if not await uploads.is_known(each.id)]
            sync = FolderSync(bucket, self._root, OPTIONS)
            await sync.prepare()
            assert bool(strays) is any("unfinished uploads on no record" in each for each in sync.notices)
            return len(strays)

        note(f"{self._call(run)} strays")

    # --- a bucket

    async def _open(self, glacier: aioglacier.Glacier) -> Bucket:
        await glacier.create_bucket("promise")
        return glacier.bucket("promise", self.storage_class, "below/")

    async def _delete(self, place: Bucket, archive_id: str) -> None:
        await place.delete(archive_id)

    def _jobs(self) -> dict[str, object]:
        """The restores on record that S3 has accepted."""

        async def run(bucket: Bucket) -> dict[str, object]:
            context = bucket.context
            restores = context.catalog.jobs.list_useful(context.key)
            return {job.job_id: job.archive_id async for job in restores if job.job_id}

        return self._call(run)

    def _archives(self) -> dict[str, tuple[int, str]]:
        """The objects that are no sidecars."""

        async def run(bucket: Bucket) -> dict[str, tuple[int, str]]:
            return {
                each.key: (each.size, "")
                async for each in bucket.objects()
                if not each.key.endswith(SIDECAR_SUFFIX)
            }

        return self._call(run)


class ColdBucketPromise(BucketPromise):
    """The promise for a bucket whose objects are restored before they are read."""

    storage_class = "DEEP_ARCHIVE"
    sync_options = ("--storage-class=DEEP_ARCHIVE",)


@pytest.mark.parametrize(
    ("promise", "examples"),
    [
        (VaultPromise, "30"),
        (BucketPromise, "4"),
        (ColdBucketPromise, "4"),
        *(
            pytest.param(promise, "60", marks=[pytest.mark.long, pytest.mark.timeout(1800)])
            for promise in (VaultPromise, BucketPromise, ColdBucketPromise)
        ),
    ],
)
def test_what_is_said_of_a_folder_is_true(promise: type[FolderPromise], examples: str) -> None:
    """Nothing that is said to be stored is missing, old or another's, after any sequence of events."""
    run_state_machine_as_test(
        promise,
        settings=settings(
            max_examples=int(os.environ.get("AIOGLACIER_PROMISE_EXAMPLES", examples)),
            stateful_step_count=int(os.environ.get("AIOGLACIER_PROMISE_STEPS", "10")),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
