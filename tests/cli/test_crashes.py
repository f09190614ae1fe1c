"""Killed at every point there is, the same command brings it to its end: nothing lost, doubled or left."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.core.treehash import tree_hash
from aioglacier.files.crashpoints import POINTS
from tests.cli.conftest import MIB, Cli, ask, data, keys, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

LARGE, SMALL = data(3 * MIB + 5), data(70_000)

UPLOADING = (
    "upload intent recorded",
    "upload initiated",
    "upload id recorded",
    "part sent:1",
    "part sent:3",
    "part recorded",
    "completing recorded",
    "completed",
    "archive recorded",
)
SENDING = ("single request intended", "single request answered", "archive recorded")
DOWNLOADING = (
    "job intent recorded",
    "job initiated",
    "job id recorded",
    "download recorded",
    "piece recorded",
    "file verified",
    "file on disk",
    "file renamed",
)
RESTORING = ("restore intent recorded", "restore asked for", "restore recorded")
DELETING = ("deleting recorded", "deleted")
ABORTING = ("abort answered",)
MOVING = ("move initiated", "part moved:2", "move completing", "object made", "move proven")
BUNDLING = ("bundle recorded", "object made", "move proven")
PLACING = ("archive placed",)


@pytest.fixture(scope="module")
def glacier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server whose inventories are up to date."""
    folder = tmp_path_factory.mktemp("server")
    with serving(Cli(folder), "glacier", "--job-delay", "0", "--inventory-lag", "0") as url:
        yield url


@pytest.fixture
def killed(glacier: str, tmp_path: Path, request: pytest.FixtureRequest) -> Cli:
    """The program with an empty vault "v..." of its own."""
    cli = Cli(tmp_path, ("--endpoint-url", glacier, "--region", "us-east-1", "--json"), keys())
    (tmp_path / "large").write_bytes(LARGE)
    (tmp_path / "small").write_bytes(SMALL)
    cli("vault", "create", vault_of(request))
    return cli


def vault_of(request: pytest.FixtureRequest) -> str:
    """The name of a test's vault."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)


def kill(cli: Cli, point: str, *arguments: str) -> None:
    """Run the program until it kills itself at a point, which it must."""
    code, _, err = _run(cli, point, *arguments)
    assert code == -signal.SIGKILL, err.decode()


def _run(cli: Cli, point: str, *arguments: str) -> tuple[int, bytes, bytes]:
    with cli.started(*arguments, env=cli.env({"AIOGLACIER_CRASH_AT": point})) as process:
        out, err = process.communicate(timeout=30)
    return process.returncode, out, err


#: All of them.
ALL = UPLOADING + SENDING + DOWNLOADING + RESTORING + DELETING + ABORTING + MOVING + BUNDLING + PLACING


def test_every_point_is_walked() -> None:
    """A point that no test here passes proves nothing."""
    walked = {point.partition(":")[0] for point in ALL}
    assert walked == set(POINTS)


@pytest.mark.parametrize("point", UPLOADING)
def test_an_upload_that_was_killed(
    killed: Cli, glacier: str, request: pytest.FixtureRequest, point: str
) -> None:
    """The same command again: one archive of just these bytes, no upload left, and the same id on record."""
    vault = vault_of(request)
    upload = ("upload", vault, "large", "--part-size", "1MiB")
    kill(killed, point, *upload)
    archive = killed(*upload).record
    assert (archive["size"], archive["tree_hash"]) == (len(LARGE), tree_hash(LARGE).hex())
    assert not ask(glacier, "GET", f"vaults/{vault}/multipart-uploads")["UploadsList"]
    assert [each["archive_id"] for each in killed("list", vault).records] == [archive["archive_id"]]
    assert [each["archive_id"] for each in killed("inventory", vault).records] == [archive["archive_id"]]
    assert not killed("uploads", "list", vault).records


@pytest.mark.parametrize("point", SENDING)
def test_a_single_request_that_was_killed(
    killed: Cli, glacier: str, request: pytest.FixtureRequest, point: str
) -> None:
    """Its outcome may be unknown: then nothing is sent again before an inventory has settled it."""
    vault = vault_of(request)
    kill(killed, point, "upload", vault, "small")
    if point == "archive recorded":
        archive_id = killed("upload", vault, "small").record["archive_id"]
    else:
        unknown = killed("upload", vault, "small", code=5).error
        assert (unknown["error"], unknown["size"]) == ("OutcomeUnknownError", len(SMALL))
        assert unknown["tree_hash"] == tree_hash(SMALL).hex()
        assert "inventory" in unknown["resume"]
        listed = killed("inventory", vault).records
        if point == "single request intended":
            # It never arrived; only an inventory of three days later could prove that, or a decision does.
            assert not listed
            killed("upload", vault, "small", code=5)
            archive_id = killed("upload", vault, "small", "--restart").record["archive_id"]
        else:
            archive_id = killed("upload", vault, "small").record["archive_id"]
            assert [each["archive_id"] for each in listed] == [archive_id]
    assert [each["archive_id"] for each in killed("inventory", vault).records] == [archive_id]
    assert ask(glacier, "GET", f"vaults/{vault}")["NumberOfArchives"] == 1
    assert not killed("uploads", "list", vault).records


@pytest.mark.parametrize("point", DOWNLOADING)
def test_a_download_that_was_killed(
    killed: Cli, glacier: str, request: pytest.FixtureRequest, point: str
) -> None:
    """The same command again: the bytes under the name, from one job."""
    vault = vault_of(request)
    archive = killed("upload", vault, "large").record
    download: tuple[str, ...] = ("download", vault, f"--archive-id={archive['archive_id']}", "back")
    kill(killed, point, *download)
    back = killed.folder / "back"
    assert back.exists() is (point == "file renamed")
    inode = back.stat().st_ino if back.exists() else None
    if point == "file on disk":  # a file of other bytes is not what the killed run has fetched
        back.write_bytes(LARGE[1:])
        killed(*download, code=1)
        back.unlink()
    listed = [each["status"] for each in killed("jobs", "list", vault).records]
    assert ("Intent" in listed) is (point in {"job intent recorded", "job initiated"})
    record = killed(*download).record
    assert (record["tree_hash"], record["verified"]) == (tree_hash(LARGE).hex(), True)
    if inode is not None:  # the second run has only verified it
        assert back.stat().st_ino == inode
    assert "Intent" not in [each["status"] for each in killed("jobs", "list", vault).records]
    assert back.read_bytes() == LARGE
    assert len(ask(glacier, "GET", f"vaults/{vault}/jobs")["JobList"]) == 1
    assert not list(killed.folder.glob(".back*"))


@pytest.mark.parametrize("point", RESTORING)
def test_a_restore_that_was_killed(killed: Cli, request: pytest.FixtureRequest, point: str) -> None:
    """The same command again: the bytes under the name, from one restore on record."""
    bucket = f"s3://{vault_of(request).lower().strip('-')[-40:].strip('-')}"
    killed("bucket", "create", bucket)
    killed("upload", bucket, "small", "--storage-class=DEEP_ARCHIVE")
    download = ("download", bucket, "small", "back")
    kill(killed, point, *download)
    assert not (killed.folder / "back").exists()
    assert killed(*download).record["verified"]
    assert (killed.folder / "back").read_bytes() == SMALL
    states = [each["status"] for each in killed("jobs", "list", bucket).records]
    assert states == ["Succeeded"]


@pytest.mark.parametrize("storage_class", ["GLACIER", "GLACIER_IR"])
def test_a_download_from_a_bucket_that_was_killed_after_its_file_had_its_name(
    killed: Cli, request: pytest.FixtureRequest, storage_class: str
) -> None:
    """The same command again verifies the file, also with an empty catalog; other bytes are left alone."""
    bucket = f"s3://{vault_of(request).lower().strip('-')[-40:].strip('-')}"
    killed("bucket", "create", bucket)
    killed("upload", bucket, "large", f"--storage-class={storage_class}", "--checksum=CRC64NVME")
    download = ("download", bucket, "large", "back")
    kill(killed, "file renamed", *download)
    back = killed.folder / "back"
    inode = back.stat().st_ino
    assert killed(*download).record["verified"]
    assert killed("--catalog=empty.db", *download).record["verified"]
    assert (back.stat().st_ino, back.read_bytes()) == (inode, LARGE)
    assert not list(killed.folder.glob(".back*"))
    back.write_bytes(LARGE[1:] + b"!")
    killed(*download, code=1)
    assert back.read_bytes() == LARGE[1:] + b"!"


def test_an_encrypted_download_from_a_bucket_that_was_killed_is_not_restored_twice(
    killed: Cli, request: pytest.FixtureRequest
) -> None:
    """The encrypted file that it has fetched is decrypted, whatever became of the restored copy."""
    pyrage = pytest.importorskip("pyrage")
    key = pyrage.x25519.Identity.generate()
    (killed.folder / "key").write_text(f"{key}\n")
    bucket = f"s3://{vault_of(request).lower().strip('-')[-40:].strip('-')}"
    killed("bucket", "create", bucket)
    killed("upload", bucket, "large", "--storage-class=DEEP_ARCHIVE", f"--recipient={key.to_public()}")
    download = ("download", bucket, "large", "back", "--identity=key")
    kill(killed, "file renamed:1", *download)
    assert killed("--catalog=empty.db", *download).record["verified"]
    (restore,) = killed("--catalog=empty.db", "jobs", "list", bucket).records
    assert restore["asked"] is None  # not by this run
    assert (killed.folder / "back").read_bytes() == LARGE
    assert not list(killed.folder.glob(".back*"))


def test_downloads_without_a_record_that_were_killed_after_their_file_had_its_name(
    killed: Cli, glacier: str, request: pytest.FixtureRequest
) -> None:
    """With an empty catalog, the service's list of jobs tells; of a job that is named, its output does."""
    vault = vault_of(request)
    archive = killed("upload", vault, "large").record
    download = ("--catalog=empty.db", "download", vault, f"--archive-id={archive['archive_id']}", "back")
    kill(killed, "file renamed", *download)
    assert killed(*download).record["tree_hash"] == archive["tree_hash"]
    assert not list(killed.folder.glob(".back*"))
    (job,) = ask(glacier, "GET", f"vaults/{vault}/jobs")["JobList"]
    output = ("jobs", "output", vault, job["JobId"], "output")
    kill(killed, "file renamed", *output)
    killed(*output)
    assert (killed.folder / "output").read_bytes() == LARGE
    (killed.folder / "output").write_bytes(LARGE[1:] + b"!")
    killed(*output, code=1)


@pytest.mark.parametrize("form", ["json", "csv"])
def test_an_inventory_that_was_killed_after_its_file_had_its_name(
    killed: Cli, glacier: str, request: pytest.FixtureRequest, form: str
) -> None:
    """A list has no hash, so it is fetched again and compared; any other file is refused and left alone."""
    vault, file = vault_of(request), killed.folder / "list"
    killed("upload", vault, "small")
    inventory = ("inventory", vault, "--output=list", f"--format={form}")
    kill(killed, "file renamed", *inventory)
    inode, text = file.stat().st_ino, file.read_bytes()
    for catalog in ("catalog.db", "empty.db"):
        killed(f"--catalog={catalog}", *inventory)
        assert (file.stat().st_ino, file.read_bytes()) == (inode, text)
        assert not list(killed.folder.glob(".list*"))
    for other in (text + b" ", text[:-1] + b"!"):
        file.write_bytes(other)
        killed(*inventory, code=1)
        assert file.read_bytes() == other
    file.write_bytes(text)
    killed(*inventory, "--new", code=1)
    assert len(ask(glacier, "GET", f"vaults/{vault}/jobs")["JobList"]) == 1


def test_a_stream_that_was_killed_after_its_file_had_its_name(
    killed: Cli, request: pytest.FixtureRequest
) -> None:
    """The manifest on record tells the bytes, and no piece is retrieved."""
    vault = vault_of(request)
    rolling = ("upload", "--roll-over", "--part-size=1MiB", "--piece-size=2MiB", vault, "-")
    manifest = killed(*rolling, stdin=LARGE).record["archive_id"]
    download = ("download", "--manifest", vault, f"--archive-id={manifest}", "back")
    kill(killed, "file renamed", *download)
    assert killed(*download).record["jobs_started"] == 0
    assert (killed.folder / "back").read_bytes() == LARGE
    killed("--catalog=empty.db", *download, code=1)  # its manifest would have to be paid for
    (killed.folder / "back").unlink()
    kill(killed, "file renamed", "--catalog=empty.db", *download)
    assert killed("--catalog=empty.db", *download).record["jobs_started"] == 0
    (killed.folder / "back").write_bytes(LARGE[1:] + b"!")
    killed(*download, code=1)


def test_a_decrypted_download_that_was_killed_after_its_file_had_its_name(
    killed: Cli, request: pytest.FixtureRequest
) -> None:
    """The encrypted file is still beside it and tells; it is removed last, and spares another job."""
    pyrage = pytest.importorskip("pyrage")
    vault, key = vault_of(request), pyrage.x25519.Identity.generate()
    (killed.folder / "key").write_text(f"{key}\n")
    archive = killed("upload", vault, "large", f"--recipient={key.to_public()}").record
    download = ("download", vault, f"--archive-id={archive['archive_id']}", "back", "--identity=key")
    kill(killed, "file renamed:2", *download)  # the encrypted file is the first
    back = killed.folder / "back"
    inode = back.stat().st_ino
    killed(*download)
    assert (back.stat().st_ino, back.read_bytes()) == (inode, LARGE)
    assert not list(killed.folder.glob(".back*"))
    back.unlink()
    kill(killed, "file renamed:1", *download)  # the encrypted file alone
    assert killed(*download).record["job_id"] is None  # nothing is fetched
    assert back.read_bytes() == LARGE
    killed(*download, code=1)  # nothing tells any more which file it is


@pytest.mark.parametrize("point", DELETING)
def test_a_deletion_that_was_killed(killed: Cli, request: pytest.FixtureRequest, point: str) -> None:
    """The same command again: the archive is gone, and no longer on record."""
    vault = vault_of(request)
    archive = killed("upload", vault, "small").record
    delete = ("delete", "--yes", vault, f"--archive-id={archive['archive_id']}")
    kill(killed, point, *delete)
    assert killed("list", vault).record["state"] == "deleting"
    killed(*delete)
    assert not killed("list", vault).records
    assert not killed("inventory", vault).records


@pytest.mark.parametrize("point", ["upload intent recorded", "upload initiated"])
def test_a_stream_that_was_killed_at_its_start(
    killed: Cli, glacier: str, request: pytest.FixtureRequest, point: str
) -> None:
    """It cannot be continued; the next stream to the vault leaves no upload of it behind (PR-02)."""
    vault = vault_of(request)
    with (
        (killed.folder / "large").open("rb") as stdin,
        killed.started(
            "upload", vault, "-", "--part-size", "1MiB",
            stdin=stdin, env=killed.env({"AIOGLACIER_CRASH_AT": point}),
        ) as process,
    ):  # fmt: skip
        process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    killed("upload", vault, "-", "--part-size", "1MiB", stdin=LARGE)
    assert not ask(glacier, "GET", f"vaults/{vault}/multipart-uploads")["UploadsList"]
    assert not killed("uploads", "list", vault).records


@pytest.mark.parametrize("point", ABORTING)
def test_an_abortion_that_was_killed(
    killed: Cli, glacier: str, request: pytest.FixtureRequest, point: str
) -> None:
    """A stream that ends badly is aborted; if that could not be recorded, the next list finds it out."""
    vault = vault_of(request)
    upload = ("upload", vault, "-", "--part-size", "1MiB", "--expected-size", "5MiB")
    with (
        (killed.folder / "large").open("rb") as stdin,
        killed.started(*upload, stdin=stdin, env=killed.env({"AIOGLACIER_CRASH_AT": point})) as process,
    ):
        process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert not ask(glacier, "GET", f"vaults/{vault}/multipart-uploads")["UploadsList"]
    (left,) = killed("uploads", "list", vault).records
    killed("uploads", "abort", vault, f"--upload-id={left['upload_id']}")
    assert not killed("uploads", "list", vault).records


@pytest.mark.parametrize(("points", "options"), [(MOVING, ()), (BUNDLING, ("--bundle-up-to=1MiB",))])
def test_a_move_that_was_killed_again_and_again(
    killed: Cli,
    glacier: str,
    request: pytest.FixtureRequest,
    points: tuple[str, ...],
    options: tuple[str, ...],
) -> None:
    """Each run goes on: one job an archive, every object proven, no upload left in the bucket."""
    vault, bucket = vault_of(request), f"crashed-{len(points)}"
    (killed.folder / "larger").write_bytes(data(17 * MIB))
    for name in ("larger", "small"):
        killed("upload", vault, name)
    uploads = asyncio.run(_in_bucket(glacier, bucket))
    move = (
        "migrate", vault, f"s3://{bucket}/p", "--storage-class=GLACIER", f"--to-endpoint-url={glacier}",
        *options,
    )  # fmt: skip
    for point in points:
        kill(killed, point, *move)
    done = killed(*move).records[-1]
    assert (done["failed"], done["left"]) == (0, 0)
    report = killed("migrate", "report", vault, f"s3://{bucket}/p", f"--to-endpoint-url={glacier}").record
    assert (report["lines"], report["proven"], report["unwritten"], report["findings"]) == (2, 2, 0, 0)
    assert len(ask(glacier, "GET", f"vaults/{vault}/jobs")["JobList"]) == 2
    assert uploads == asyncio.run(_in_bucket(glacier, bucket)) == []


async def _in_bucket(glacier: str, name: str) -> list[str]:
    """Make a bucket if there is none; return the keys of its unfinished uploads."""
    access_key_id, secret = keys().values()
    async with aioglacier.connect(
        endpoint_url=glacier,
        s3_endpoint_url=glacier,
        region_name="us-east-1",
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret,
        hash_in="threads",
    ) as connection:
        bucket = await connection.create_bucket(name)
        return [upload.key async for upload in bucket.uploads()]


def test_a_restore_of_archives_that_was_killed(
    killed: Cli, glacier: str, request: pytest.FixtureRequest
) -> None:
    """A file in its place is not paid for again."""
    vault = vault_of(request)
    killed("upload", vault, "small")
    kill(killed, "archive placed", "restore", vault, "back")
    done = killed("restore", vault, "back").records[-1]
    assert (done["there"], done["restored"], done["jobs_started"]) == (1, 0, 0)
    assert (killed.folder / "back" / "small").read_bytes() == SMALL
    assert len(ask(glacier, "GET", f"vaults/{vault}/jobs")["JobList"]) == 1
