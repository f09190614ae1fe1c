"""Any sequence of uploads, kills, cancellations, damage and deletions, against a model of the vault.

The model is two dictionaries: the archives that must exist, and the files whose upload was interrupted and
must end as exactly one archive each. The library runs here; what is to be killed runs as the program, in a
process of its own, with the same catalog. For a long run::

    AIOGLACIER_STATES_EXAMPLES=300 python -m pytest -n0 --timeout 7200 tests/endurance/test_states.py
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.lowlevel
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

import aioglacier
from aioglacier.catalog import ArchiveState, Catalog, VaultKey
from aioglacier.core.errors import GlacierError, OutcomeUnknownError, ResumeMismatchError
from aioglacier.core.treehash import tree_hash
from aioglacier.server import LocalGlacier
from aioglacier.server.requests.faults import Fault, FaultKind, Moment
from tests.forking import forks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.client.vault import Vault
    from aioglacier.core.models import Archive, ArchiveId
    from aioglacier.recorded.resume import ResumedUpload

pytestmark = [pytest.mark.slow, pytest.mark.long]

T = TypeVar("T")

MIB = 1024 * 1024
VAULT = "states"

#: An inventory that is this much later proves that an archive was not made.
_SETTLING_SECONDS = 4 * 86400.0

#: Around one part, two and four, where rules change.
SIZES = st.sampled_from([1, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 3, 4 * MIB - 1])

#: Crash points; an upload in parts or in a single request passes each of them.
POINTS = st.sampled_from(
    [
        "upload intent recorded",
        "upload initiated",
        "upload id recorded",
        "part sent",
        "part sent:2",
        "completing recorded",
        "completed",
        "archive recorded",
        "single request intended",
        "single request answered",
    ]
)

#: Faults that strike once, and that an upload must survive.
DAMAGE_UP = st.sampled_from(
    [
        Fault("UploadMultipartPart", FaultKind.WRONG_HASH),
        Fault("UploadMultipartPart", FaultKind.OMIT_HEADER),
        Fault("UploadMultipartPart", FaultKind.RESET, Moment.AFTER_COMMIT),
        Fault("InitiateMultipartUpload", FaultKind.RESET, Moment.AFTER_COMMIT),
        Fault("CompleteMultipartUpload", FaultKind.RESET, Moment.AFTER_COMMIT),
        Fault("CompleteMultipartUpload", code="ServiceUnavailableException"),
    ]
)

#: Faults that a download must survive.
DAMAGE_DOWN = st.sampled_from(
    [
        Fault("GetJobOutput", FaultKind.FLIP),
        Fault("GetJobOutput", FaultKind.TRUNCATE),
        Fault("InitiateJob", FaultKind.RESET, Moment.AFTER_COMMIT),
        Fault("DescribeJob", code="ThrottlingException"),
    ]
)


class Storage(RuleBasedStateMachine):
    """A server, a catalog and a connection, all of which may be closed and opened again."""

    #: Contents of all uploads, whatever became of them: the model decides which rules apply to them.
    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        self.archives: dict[Path, tuple[ArchiveId, bytes]] = {}
        self.unfinished: dict[Path, bytes] = {}
        self._number = 0
        self._port = 0
        self._outer = ExitStack()
        self._folder = Path(self._outer.enter_context(TemporaryDirectory()))
        self._portal = self._outer.enter_context(start_blocking_portal())
        self._inner = ExitStack()
        self._server: LocalGlacier
        self._catalog: Catalog
        self._vault: Vault

    # --- opening and closing

    @initialize()
    def open(self) -> None:
        """Open everything."""
        enter, wrap = self._inner.enter_context, self._portal.wrap_async_context_manager
        server = LocalGlacier(
            self._folder / "depot", port=self._port, job_delay=0, inventory_lag=0, is_durable=False
        )
        self._server = enter(wrap(server))
        self._port = server.port
        self._catalog = enter(wrap(Catalog.open(self._folder / "catalog.db")))
        glacier = enter(
            wrap(
                aioglacier.connect(
                    endpoint_url=self._server.url,
                    region_name="us-east-1",
                    aws_access_key_id="AKIDEXAMPLE",
                    aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                    limits=aioglacier.Limits(memory=8 * MIB),
                    hash_in="threads",
                    catalog=self._catalog,
                )
            )
        )
        self._vault = self._call(partial(glacier.create_vault, VAULT))

    @rule()
    def reopen(self) -> None:
        """Close everything and open it again."""
        self._inner.close()
        self.open()

    def teardown(self) -> None:
        """Finish every interrupted upload, and compare the vault with the model."""
        try:
            if hasattr(self, "_vault"):
                for path in list(self.unfinished):
                    self._finish(path)
                self.compare()
                assert not self._call(self._list_uploads)
        finally:
            self._inner.close()
            self._outer.close()

    # --- up

    @rule(target=names, size=SIZES)
    def put(self, size: int) -> Path:
        """Upload a file."""
        return self._upload(self._new_file(size))

    @rule(target=names, size=SIZES, damage=DAMAGE_UP)
    def put_in_bad_weather(self, size: int, damage: Fault) -> Path:
        """Upload a file while something goes wrong once."""
        self._server.faults.add(damage)
        try:
            return self._upload(self._new_file(size))
        finally:
            self._server.faults.clear()

    @rule(target=names, size=SIZES)
    def write(self, size: int) -> Path:
        """Upload a stream."""
        data = self._data(size)

        async def write() -> Archive | None:
            async with self._vault.open_writer(description="a stream", part_size=MIB) as writer:
                for start in range(0, size, 700_000):
                    await writer.write(data[start : start + 700_000])
            return writer.archive

        return self._made(self._folder / f"stream-{self._number}", self._call(write), data)

    @rule(target=names, size=SIZES, turns=st.integers(0, 150))
    def cancel(self, size: int, turns: int) -> Path:
        """Upload a file, and cancel the upload after some turns of the loop."""
        path = self._new_file(size)
        archive = self._call(partial(self._run, path, turns=turns))
        if archive is not None:
            return self._made(path, archive, path.read_bytes())
        self.unfinished[path] = path.read_bytes()
        return path

    @rule(target=names, size=SIZES, point=POINTS)
    def kill(self, size: int, point: str) -> Path:
        """Upload a file by the program, which kills itself at a crash point if it reaches it."""
        path = self._new_file(size)
        data = path.read_bytes()
        if self._program("upload", "--part-size=1MiB", VAULT, str(path), crash_at=point) == 0:
            # It was reported, so that going on would make a second one.
            (archive_id,) = self._call(partial(self._find, data))
            self.archives[path] = archive_id, data
        else:
            self.unfinished[path] = data
        return path

    @rule(path=names)
    def go_on(self, path: Path) -> None:
        """Upload an interrupted file to its end."""
        if path in self.unfinished:
            self._finish(path)

    @rule(path=names, size=SIZES)
    def change_and_restart(self, path: Path, size: int) -> None:
        """Change an interrupted file and upload it again; the former upload may have become an archive."""
        if path not in self.unfinished:
            return
        before = self.unfinished[path]
        path.write_bytes(data := self._data(size))
        try:
            archive = self._call(partial(self._run, path))
        except (ResumeMismatchError, OutcomeUnknownError):
            archive = self._call(partial(self._run, path, restart=True))
        del self.unfinished[path]
        # The run that was killed may have made its archive.
        for archive_id in self._call(partial(self._find, before)):
            self.archives[path.with_suffix(".before")] = archive_id, before
        self._made(path, archive, data)

    # --- down and away

    @rule(path=names)
    def get(self, path: Path) -> None:
        """Retrieve an archive."""
        self._get(path)

    @rule(path=names, damage=DAMAGE_DOWN)
    def get_in_bad_weather(self, path: Path, damage: Fault) -> None:
        """Retrieve an archive while something goes wrong once."""
        self._server.faults.add(damage)
        try:
            self._get(path)
        finally:
            self._server.faults.clear()

    @rule(path=names)
    def delete(self, path: Path) -> None:
        """Delete an archive."""
        if path in self.archives:
            archive_id, _ = self.archives.pop(path)
            self._call(partial(self._vault.delete_archive, archive_id))

    @rule()
    def compare(self) -> None:
        """Compare the service and the catalog with the model."""
        must = {archive_id: tree_hash(data) for archive_id, data in self.archives.values()}
        assert len(must) == len(self.archives)
        # An interrupted upload may have become its archive, once.
        may = Counter(tree_hash(data) for data in self.unfinished.values())
        for found in (self._call(self._read_inventory), self._call(self._read_catalog)):
            assert must.items() <= found.items()
            assert not Counter(hash_ for id_, hash_ in found.items() if id_ not in must) - may

    # --- helpers

    def _call(self, function: Callable[[], Awaitable[T]]) -> T:
        return self._portal.call(function)

    def _data(self, size: int) -> bytes:
        """Return bytes that no other archive has."""
        self._number += 1
        return (b"%16d" % self._number * (size // 16 + 1))[-size:]

    def _new_file(self, size: int) -> Path:
        data = self._data(size)
        path = self._folder / f"file-{self._number}"
        path.write_bytes(data)
        return path

    def _made(self, path: Path, archive: Archive | None, data: bytes) -> Path:
        assert archive is not None
        assert (archive.size, archive.tree_hash) == (len(data), tree_hash(data))
        self.archives[path] = archive.id, data
        return path

    def _upload(self, path: Path) -> Path:
        return self._made(path, self._call(partial(self._run, path)), path.read_bytes())

    def _finish(self, path: Path) -> None:
        try:
            self._upload(path)
        except OutcomeUnknownError:
            self._settle()
            self._upload(path)
        del self.unfinished[path]

    def _settle(self) -> None:
        """Let an inventory, days later, settle the unknown outcomes."""
        self._call(partial(self._server.advance, _SETTLING_SECONDS))
        self.put(1)
        assert self._program("inventory", VAULT) == 0

    async def _run(self, path: Path, *, turns: int | None = None, restart: bool = False) -> Archive | None:
        """Upload a file or continue; return ``None`` if cancelled before there was an archive."""
        part_size = None if path in self.unfinished else MIB
        upload = self._vault.open_or_resume(path, description=path.name, part_size=part_size, restart=restart)
        taken: ResumedUpload | None = None
        failure: GlacierError | None = None
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                if turns is not None:
                    tasks.start_soon(_cancel_after, turns, scope)
                try:
                    async with upload as taken:
                        await taken.run()
                except GlacierError as error:
                    failure = error  # not raised here, or the group would wrap it
                tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return taken.archive if taken is not None else None

    def _program(self, *arguments: str, crash_at: str = "") -> int:
        """Run the program, which must succeed or be killed."""
        options = ["--endpoint-url", self._server.url, "--region", "us-east-1"]
        catalog = ["--catalog", str(self._folder / "catalog.db")]
        environment = {
            **os.environ,
            "HOME": str(self._folder),
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            "AIOGLACIER_CRASH_AT": crash_at,
        }
        words = [*options, *catalog, *arguments]
        code, _, err = forks().run(words, cwd=self._folder, env=environment)
        assert code in {0, -9}, err.decode()
        return code

    async def _find(self, data: bytes) -> list[ArchiveId]:
        """Return the archives with this content."""
        listed = await self._read_inventory()
        return [archive_id for archive_id, hash_ in listed.items() if hash_ == tree_hash(data)]

    def _get(self, path: Path) -> None:
        if path not in self.archives:
            return
        archive_id, data = self.archives[path]
        self._number += 1
        target = self._folder / f"back-{self._number}"

        async def get() -> None:
            job = await self._vault.retrieve(archive_id)
            await job.wait_until_done()
            await job.download(target)

        self._call(get)
        assert target.read_bytes() == data

    async def _read_inventory(self) -> dict[ArchiveId, bytes]:
        job = await self._vault.retrieve_inventory()
        await job.wait_until_done()
        return {entry.id: entry.tree_hash async for entry in job.inventory()}

    async def _read_catalog(self) -> dict[ArchiveId, bytes]:
        key = VaultKey(VAULT, "us-east-1", endpoint=self._server.url)
        return {
            record.archive.id: record.archive.tree_hash
            async for record in self._catalog.archives.list_vault(key)
            if record.state is not ArchiveState.DELETED
        }

    async def _list_uploads(self) -> list[str]:
        return [upload.id async for upload in self._vault.uploads()]


async def _cancel_after(turns: int, scope: anyio.CancelScope) -> None:
    for _ in range(turns):
        await anyio.lowlevel.checkpoint()
    scope.cancel()


def test_any_sequence_leaves_just_what_must_be_there() -> None:
    """PR-01 to PR-03, SV-07 to SV-10, CC-01: nothing is lost, doubled or left behind."""
    run_state_machine_as_test(
        Storage,
        settings=settings(
            max_examples=int(os.environ.get("AIOGLACIER_STATES_EXAMPLES", "6")),
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
