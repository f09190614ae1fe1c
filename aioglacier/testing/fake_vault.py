"""A vault in memory: its archives and the inventory that lags behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from aioglacier.core.limits import VAULT
from aioglacier.core.models import Archive, LockId, LockState, VaultDescription, VaultLock
from aioglacier.testing.fake_job import FakeJob, Listing
from aioglacier.testing.fake_upload import REPEAT_SECONDS, EndedUpload, FakeUpload
from aioglacier.testing.refused import denied, invalid, missing

if TYPE_CHECKING:
    from datetime import datetime

    from aioglacier.core.models import NotificationConfig


@dataclass(slots=True)
class FakeVault:
    """One vault. ``changed`` is the first change since the last inventory."""

    name: str
    arn: str
    created: datetime
    archives: dict[str, Archive] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, FakeUpload] = field(default_factory=dict)
    completed: dict[str, EndedUpload] = field(default_factory=dict)
    aborted: dict[str, EndedUpload] = field(default_factory=dict)
    jobs: dict[str, FakeJob] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    notifications: NotificationConfig | None = None
    access_policy: str | None = None
    lock: VaultLock | None = None
    lock_id: LockId | None = None
    listing: Listing | None = None
    changed: datetime | None = None

    def pass_time(self, now: datetime, *, inventory_lag: timedelta) -> None:
        """Let happen what time brings: inventory, expiry."""
        if self.changed is not None and now - self.changed >= inventory_lag:
            self.listing = Listing(tuple(self.archives.values()), now)
            self.changed = None
        idle = timedelta(seconds=VAULT.upload_idle_seconds)
        self.uploads = {id_: one for id_, one in self.uploads.items() if now - one.touched <= idle}
        kept = timedelta(seconds=REPEAT_SECONDS)
        self.completed = {id_: one for id_, one in self.completed.items() if now - one.ended <= kept}
        self.aborted = {id_: one for id_, one in self.aborted.items() if now - one.ended <= kept}
        self.jobs = {id_: one for id_, one in self.jobs.items() if not one.is_forgotten(now)}
        if self.lock is not None and self.lock.expires is not None and now > self.lock.expires:
            self.lock = self.lock_id = None

    def describe(self) -> VaultDescription:
        """The vault, by its last inventory."""
        listed = self.listing.archives if self.listing else ()
        return VaultDescription(
            name=self.name,
            arn=self.arn,
            created=self.created,
            archive_count=len(listed),
            size=sum(archive.size + VAULT.archive_overhead for archive in listed),
            inventoried=self.listing.taken if self.listing else None,
        )

    def store(self, archive: Archive, body: bytes) -> None:
        """Keep an archive."""
        self.archives[archive.id] = archive
        self.bodies[archive.id] = body
        self._change(archive.created)

    def drop(self, archive_id: str, now: datetime) -> None:
        """Delete an archive, if it is there. Jobs that run for it will fail."""
        if self.archives.pop(archive_id, None) is None:
            return
        del self.bodies[archive_id]
        self._change(now)
        for job in self.jobs.values():
            if job.initial.archive_id == archive_id and now < job.done_at:
                job.failure = "The archive was deleted while the job ran."

    def check_is_empty(self) -> None:
        """Refuse unless the vault may be deleted: empty by its inventory, and untouched since."""
        if self.changed is not None or (self.listing is not None and self.listing.archives):
            raise invalid(f"Vault not empty or recently written to: {self.arn}")

    def open_upload(self, upload_id: str) -> FakeUpload:
        """An unfinished upload."""
        try:
            return self.uploads[upload_id]
        except KeyError:
            raise missing(f"The upload ID was not found: {upload_id}") from None

    def abort(self, upload_id: str, now: datetime) -> None:
        """Forget an upload; again for a while."""
        if upload_id in self.aborted:
            return
        self.open_upload(upload_id)
        del self.uploads[upload_id]
        self.aborted[upload_id] = EndedUpload(now)

    def job(self, job_id: str) -> FakeJob:
        """A job that is not forgotten yet."""
        try:
            return self.jobs[job_id]
        except KeyError:
            raise missing(f"The job ID was not found: {job_id}") from None

    def begin_lock(self, policy: str, lock_id: LockId, now: datetime) -> None:
        """Begin to lock."""
        if self.lock is not None:
            raise denied(f"A vault lock is already in progress or in place for: {self.arn}")
        expires = now + timedelta(seconds=VAULT.vault_lock_seconds)
        self.lock = VaultLock(policy, LockState.IN_PROGRESS, now, expires)
        self.lock_id = lock_id

    def end_lock(self, lock_id: str) -> None:
        """Lock for good; again with the same id."""
        lock = self.current_lock()
        if lock_id != self.lock_id:
            wrong = f"Invalid vault lock ID: {lock_id}"
            raise denied(wrong) if lock.state is LockState.LOCKED else invalid(wrong)
        self.lock = VaultLock(lock.policy, LockState.LOCKED, lock.created, None)

    def abort_lock(self) -> None:
        """Give a lock in progress up."""
        if self.lock is not None and self.lock.state is LockState.LOCKED:
            raise denied(f"The vault is locked: {self.arn}")
        self.lock = self.lock_id = None

    def current_lock(self) -> VaultLock:
        """The lock, in progress or in place."""
        if self.lock is None:
            raise missing(f"No vault lock policy is set for: {self.arn}")
        return self.lock

    def _change(self, now: datetime) -> None:
        if self.changed is None:
            self.changed = now
