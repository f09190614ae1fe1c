"""PR, DC, CC: killed and stopped processes, and machines with too few resources."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.treehash import tree_hash
from aioglacier.server import Fault
from tests.faults.conftest import MIB, Lies, Stand, Trouble, wait_for
from tests.faults.proxy import Kind, Since

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.slow

SIZE = 3 * MIB
UPLOAD = ("upload", "v", "big", "--part-size", "1MiB")
COMPLETE = "POST /-/vaults/v/multipart-uploads/"

#: Crash points of an upload in a single request.
WHOLE = ("single request intended", "single request answered")


def crash(stand: Stand, point: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
    """Run the program, which kills itself at a point."""
    more = {"AIOGLACIER_CRASH_AT": point, **(environment or {})}
    with stand.started(*arguments, environment=more) as process:
        process.communicate(timeout=30)
        assert process.returncode == -signal.SIGKILL


def test_pr_02_an_upload_whose_id_was_never_recorded_is_found(stand: Stand) -> None:
    """After a kill between the service's answer and its record, no second upload is begun."""
    content = stand.file(SIZE)
    crash(stand, "upload initiated", *UPLOAD)
    assert stand.count("uploads") == 1
    stand.cli(*UPLOAD)
    assert len(stand.proxy.requests("POST /-/vaults/v/multipart-uploads HTTP")) == 1
    stand.proven(content)


def test_pr_02_an_upload_of_another_time_is_not_taken_for_a_lost_one(stand: Stand) -> None:
    """An upload that another client begins days later, with the same description, is left alone."""
    content = stand.file(SIZE)
    crash(stand, "upload intent recorded", *UPLOAD)
    stand.rows("UPDATE uploads SET created = created - 2 * 86400 * 1000000")
    crash(stand, "upload initiated", *UPLOAD, environment=stand.elsewhere())
    assert stand.count("uploads") == 1
    stand.cli(*UPLOAD)
    assert len(stand.proxy.requests("POST /-/vaults/v/multipart-uploads HTTP")) == 2
    assert stand.stored() == [(SIZE, tree_hash(content).hex())]
    assert stand.count("uploads") == 1


def test_pr_03_an_archive_made_and_not_recorded_is_not_sent_again(stand: Stand) -> None:
    """Completing is repeated and names the archive; no part is sent again."""
    content = stand.file(SIZE)
    crash(stand, "completed", *UPLOAD)
    assert stand.rows("SELECT state FROM uploads") == [("completing",)]
    parts = len(stand.proxy.requests("PUT"))
    stand.cli(*UPLOAD)
    assert len(stand.proxy.requests("PUT")) == parts
    stand.proven(content)


def test_pr_03_an_outcome_that_is_unknown_is_settled_by_an_inventory(stand: Stand) -> None:
    """An upload that no longer exists gives exit 5 with size, hash and the next command; nothing is sent."""
    content = stand.file(SIZE)
    crash(stand, "completed", *UPLOAD)
    parts = len(stand.proxy.requests("PUT"))
    gone = Fault(
        "CompleteMultipartUpload",
        status=404,
        code="ResourceNotFoundException",
        message="The upload ID was not found: x",
        count=None,
    )
    stand.glacier.add_faults(gone)
    error = stand.cli("--json", *UPLOAD, code=5).error
    assert (error["error"], error["size"]) == ("OutcomeUnknownError", SIZE)
    assert error["tree_hash"] == tree_hash(content).hex()
    assert "inventory" in error["resume"]
    listed = stand.go_on(error["resume"])
    assert tree_hash(content).hex() in listed.text
    record = stand.cli("--json", *UPLOAD).record
    assert record["tree_hash"] == tree_hash(content).hex()
    assert len(stand.proxy.requests("PUT")) == parts
    assert stand.count("archives") == 1
    assert (stand.folder / "big").read_bytes() == content


@pytest.mark.parametrize("point", WHOLE)
def test_pr_03_a_single_request_that_was_cut_off_is_never_repeated_blind(stand: Stand, point: str) -> None:
    """A request without an id is settled by an inventory only; until then nothing is sent again."""
    stand.file(1000)
    crash(stand, point, "upload", "v", "big")
    sent = len(stand.proxy.requests("/archives"))
    error = stand.cli("--json", "upload", "v", "big", code=5).error
    assert error["error"] == "OutcomeUnknownError"
    assert len(stand.proxy.requests("/archives")) == sent


def test_pr_08_a_program_that_was_stopped_for_twenty_minutes_goes_on(stand: Stand, lies: Lies) -> None:
    """The dead connections are opened again, and requests are signed again."""
    content = stand.file(SIZE)
    stand.proxy.add(Trouble(Kind.FREEZE, where=f"bytes {MIB}-", since=Since.BODY, at=9))
    with stand.started(*UPLOAD, lies=lies) as process:
        stand.struck()
        process.send_signal(signal.SIGSTOP)
        stand.proxy.go_away()
        lies.jump(1200)
        stand.proxy.come_back()
        process.send_signal(signal.SIGCONT)
        stand.ended(process)
    stand.proven(content)


def limited(stand: Stand, limit: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the program under a limit that a shell sets."""
    return subprocess.run(
        ["sh", "-c", f'{limit}; exec "$@"', "sh", *stand.cli.command(*arguments)],
        cwd=stand.folder,
        env=stand.cli.env(),
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("limit", "code"), [("ulimit -n 32", 2), ("ulimit -n 64", 0), ("taskset -p 1 $$ >/dev/null", 0)]
)
def test_pr_14_a_machine_that_grants_little_is_enough_or_is_told_at_the_start(
    stand: Stand, limit: str, code: int
) -> None:
    """Fewer files give fewer connections; too few give an error before anything is sent."""
    stand.file(SIZE)
    done = limited(stand, limit, *UPLOAD)
    stand.cli.judge(done.returncode, done.stdout, done.stderr, code)
    if code == 0:
        assert stand.count("archives") == 1
    else:
        assert b"ulimit -n" in done.stderr
        assert not stand.proxy.seen


def memory_group(size: int) -> Path | None:
    """Make a control group with a limit of memory, if this machine allows it."""
    for root, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(root) / f"aioglacier-test-{os.getpid()}"
        with suppress(OSError):
            group.mkdir()
            try:
                (group / name).write_text(str(size))
            except OSError:
                group.rmdir()
                raise
            return group
    return None


@contextmanager
def small_memory(size: int) -> Iterator[Path]:
    """Yield a control group; a process that writes its pid there belongs to it."""
    group = memory_group(size)
    if group is None:
        pytest.skip("memory cannot be limited here")
    try:
        yield group
    finally:
        wait_for(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def test_pr_14_a_container_of_256_mib_is_enough(stand: Stand) -> None:
    """A file larger than all memory is uploaded, and no process is killed for lack of memory."""
    (stand.folder / "big").touch()
    os.truncate(stand.folder / "big", 300 * MIB)
    with small_memory(256 * MIB) as group:
        done = limited(stand, f"echo $$ >{group}/cgroup.procs", "upload", "v", "big")
    stand.cli.judge(done.returncode, done.stdout, done.stderr, 0)
    assert [size for size, _ in stand.stored()] == [300 * MIB]


@pytest.mark.parametrize("home", ["/dev/null", "/proc/1/nowhere"])
def test_pr_15_a_place_that_can_keep_no_record_is_told_before_anything_is_read(
    stand: Stand, home: str
) -> None:
    """A full disk gives exit 8 without a request; a missing TMPDIR changes nothing."""
    stand.file(SIZE)
    error = stand.cli("--json", *UPLOAD, environment={"HOME": home}, code=8).error
    assert error["error"] == "CatalogError"
    assert home in error["message"]
    assert not stand.proxy.seen
    stand.cli(*UPLOAD, environment={"TMPDIR": "/nowhere"})


# --- disk and catalog


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a file system of a given size; skip where mounting is impossible."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small filesystem cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_dc_01_no_room_for_a_record_stops_everything_remote(stand: Stand) -> None:
    """A failed record gives exit 8 and no further request; with room, the command continues without loss."""
    content = stand.file(SIZE)
    with small_disk(stand.folder / "disk", MIB) as disk:
        cli = replace(stand.cli, environment={**stand.cli.environment, "XDG_DATA_HOME": str(disk)})
        cli("list", "v", code=1)  # makes the catalog
        stand.proxy.seen.clear()
        ballast = disk / "ballast"
        fd = os.open(ballast, os.O_WRONLY | os.O_CREAT)
        with suppress(OSError):
            while True:
                os.write(fd, bytes(4096))
        os.close(fd)
        error = cli("--json", *UPLOAD, code=8).error
        assert error["error"] == "CatalogError"
        assert str(disk) in error["message"]
        assert not stand.proxy.requests("PUT")
        assert not stand.proxy.requests(COMPLETE)
        ballast.unlink()
        cli(*UPLOAD)
    stand.proven(content)


def test_dc_02_no_room_for_a_download_is_told_with_both_numbers(stand: Stand) -> None:
    """The error has needed and free bytes before any is fetched; no file has the final name."""
    stand.file(SIZE)
    archive_id = stand.cli("--json", *UPLOAD).record["archive_id"]
    with small_disk(stand.folder / "disk", 2 * MIB) as disk:
        target = str(disk / "back")
        done = stand.cli("--json", "download", "v", f"--archive-id={archive_id}", target, code=1)
        assert done.error["error"] == "TargetError"
        assert done.error["needed"] >= SIZE
        assert 0 < done.error["free"] <= 2 * MIB
        assert not (disk / "back").exists()
    assert not stand.proxy.requests("/output")


def test_dc_04_a_damaged_catalog_is_kept_aside_with_the_way_to_a_new_one(stand: Stand) -> None:
    """Every command exits with 8, names both files and the repair, until an inventory fills a new catalog."""
    stand.file(1000)
    archive_id = stand.cli("--json", "upload", "v", "big").record["archive_id"]
    (catalog,) = (stand.folder / ".local").rglob("catalog.db")
    damaged = b"\0" * catalog.stat().st_size
    catalog.write_bytes(damaged)
    error = stand.cli("--json", "list", "v", code=8).error
    assert error["error"] == "CatalogDamagedError"
    assert Path(error["moved_to"]).read_bytes() == damaged
    assert "aioglacier inventory" in error["message"]
    assert stand.cli("--json", "list", "v", code=8).error["moved_to"] == error["moved_to"]
    stand.cli("inventory", "v")
    assert stand.cli("--json", "list", "v").record["archive_id"] == archive_id


def test_cc_05_an_upload_that_is_about_to_expire_is_told_of(stand: Stand) -> None:
    """Some hours before an upload expires, the next command for that vault warns."""
    stand.killed(SIZE, 1)
    stand.rows("UPDATE uploads SET active = active - 3600000000 * 21")
    (stand.folder / "other").write_bytes(b"other")
    told = stand.cli("upload", "v", "other").err
    assert "big" in told
    assert "the service removes it after" in told


def test_pr_07_nobody_at_standard_output_or_error_harms_an_upload(stand: Stand) -> None:
    """With a closed output, or a reader that leaves, the archive is made."""
    for number, end in enumerate((">&-", "2>&-", "| true", "2>&1 | true"), start=1):
        stand.file(1000, f"file {number}", seed=number)
        command = shlex.join(stand.cli.command("upload", "v", f"file {number}"))
        subprocess.run(
            ["sh", "-c", f"{command} {end}"],
            cwd=stand.folder,
            env=stand.cli.env(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        wait_for(lambda number=number: stand.count("archives") == number)  # type: ignore[misc]
