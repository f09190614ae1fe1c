"""DC-01, DC-10: a disk that is full, and a catalog that goes away while it is in use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.catalog.conftest import mounting_child, outcome

if TYPE_CHECKING:
    from pathlib import Path

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small filesystem")

MOUNT = """
import subprocess
folder = Path(sys.argv[1]).parent
folder.mkdir()
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1200K", "tmpfs", folder], check=True)
"""


@pytest.mark.slow
@needs_root
def test_a_full_disk_is_said_and_survived(path: Path) -> None:
    """Earlier records are there, failed ones are not, and with space it goes on."""
    program = """
ballast = folder / "ballast"
ballast.write_bytes(bytes(400_000))
async def work(catalog):
    upload = await catalog.uploads.record_intent(PHOTOS, part_size=1, source="/film")
    upload = await catalog.uploads.record_initiated(upload, UploadId("u"))
    done = 0
    try:
        while True:
            await catalog.uploads.record_parts(upload, [PartRecord(done, 1, TREE_HASH, TREE_HASH * 128)])
            done += 1
    except CatalogError as error:
        assert type(error) is CatalogError and "no space left for the catalog" in str(error), error
    assert len([part async for part in catalog.uploads.list_parts(upload.number)]) == done > 10
    try:
        await catalog.uploads.record_parts(upload, [PartRecord(done, 1, TREE_HASH, TREE_HASH * 128)])
        raise AssertionError
    except CatalogError:
        pass
    ballast.unlink()
    await catalog.uploads.record_parts(upload, [PartRecord(done, 1, TREE_HASH, TREE_HASH * 128)])
    assert len([part async for part in catalog.uploads.list_parts(upload.number)]) == done + 1
run(work)
async def again(catalog):
    upload = await catalog.uploads.find_unfinished(PHOTOS, "/film")
    print(upload.state, len([part async for part in catalog.uploads.list_parts(upload.number)]) > 11)
run(again)
"""
    with mounting_child(MOUNT + program, path) as process:
        assert outcome(process) == "open True\n"


@needs_root
def test_no_space_for_a_new_catalog(path: Path) -> None:
    """An error that says so, and once there is space a whole catalog."""
    program = """
ballast = folder / "ballast"
size = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
ballast.write_bytes(bytes(size - 8192))
async def work(catalog):
    print((await catalog.archives.totals(PHOTOS)).archives)
try:
    run(work)
except CatalogError as error:
    print(type(error).__name__, "space" in str(error))
ballast.unlink()
run(work)
"""
    with mounting_child(MOUNT + program, path) as process:
        assert outcome(process) == "CatalogError True\n0\n"


@needs_root
def test_a_filesystem_that_becomes_read_only(path: Path) -> None:
    """As a disk does that has errors: what was recorded is there, and the next is an error."""
    program = """
Path(f"{folder}.img").write_bytes(bytes(8 << 20))
subprocess.run(["mkfs.ext4", "-q", f"{folder}.img"], check=True)
if subprocess.run(["mount", "-o", "loop", f"{folder}.img", folder], capture_output=True).returncode:
    print("no loop")
    sys.exit()
sys.argv[1] = str(folder / "catalog.db")
async def work(catalog):
    await catalog.archives.record(PHOTOS, archive(1))
    # An emergency remount, as the kernel makes one.
    subprocess.run(["mount", "-o", "remount,abort", folder], capture_output=True)
    try:
        await catalog.archives.record(PHOTOS, archive(2))
    except CatalogError as error:
        print(type(error).__name__)
    print((await catalog.archives.totals(PHOTOS)).archives)
run(work)
"""
    with mounting_child(MOUNT + program, path) as process:
        output = outcome(process)
    if output == "no loop\n":
        pytest.skip("no loop devices here")
    assert output == "CatalogError\n1\n"
