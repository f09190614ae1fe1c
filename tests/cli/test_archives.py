"""Archives there and back: files, pipes, ranges, resumes, lists and deletions."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.inventory.descriptions import decode
from aioglacier.core.treehash import tree_hash
from tests.cli.conftest import MIB, Cli, data, keys, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Done


def upload_some(cli: Cli, vault: str, content: bytes, *arguments: str) -> str:
    """An archive of these bytes, by its id."""
    archive_id: str = cli("--json", "upload", vault, "-", *arguments, stdin=content).record["archive_id"]
    return archive_id


def test_a_file_there_and_back(cli: Cli, vault: str) -> None:
    """Upload, inventory, download: the same bytes, and records with the same keys and values."""
    content = data(3 * MIB + 17)
    (cli.folder / "film.mkv").write_bytes(content)
    archive = cli("--json", "upload", vault, "film.mkv", "--part-size", "1MiB").record
    assert archive["vault"] == vault
    assert archive["size"] == len(content)
    assert archive["tree_hash"] == tree_hash(content).hex()
    assert archive["description"] == "film.mkv"
    assert archive["created"].endswith("Z")
    listed = cli("--json", "inventory", vault).record
    keys_ = {"archive_id", "vault", "size", "tree_hash", "description"}
    assert {key: listed[key] for key in keys_} == {key: archive[key] for key in keys_}
    done = cli("--json", "download", vault, f"--archive-id={archive['archive_id']}", "back.mkv").record
    assert (done["size"], done["tree_hash"], done["verified"]) == (len(content), archive["tree_hash"], True)
    assert (cli.folder / "back.mkv").read_bytes() == content
    assert sorted(each.name for each in cli.folder.iterdir()) == [".local", "back.mkv", "film.mkv"]


def test_pipes_in_and_out(cli: Cli, vault: str) -> None:
    """Standard input becomes an archive, and an archive standard output, with nothing else in it."""
    content = data(5 * MIB + 1)
    archive_id = upload_some(cli, vault, content, "--part-size", "1MiB", "--description", "piped")
    done = cli("download", vault, "-", f"--archive-id={archive_id}")
    assert done.out == content
    assert "complete" in done.err
    assert cli("--json", "inventory", vault).record["description"] == "piped"


def test_a_range_of_an_archive(cli: Cli, vault: str) -> None:
    """``--byte-range`` includes both ends, and an existing target is left alone."""
    content = data(3 * MIB)
    archive_id = upload_some(cli, vault, content)
    arguments = ["download", vault, f"--archive-id={archive_id}", "--byte-range", "1048576-2097151", "part"]
    assert cli("--json", *arguments).record["byte_range"] == "1048576-2097151"
    assert (cli.folder / "part").read_bytes() == content[MIB : 2 * MIB]
    assert cli("--json", *arguments, code=1).error["error"] == "TargetError"
    cli(*arguments, "--overwrite")


def test_text_says_what_json_says(cli: Cli, vault: str) -> None:
    """For people the same record: id, exact size, hash, description."""
    (cli.folder / "film.mkv").write_bytes(b"film")
    shown = cli("upload", vault, "film.mkv").text
    listed = cli("--json", "inventory", vault).record
    assert shown.startswith("film.mkv\n")
    assert all(listed[key] in shown for key in ("archive_id", "tree_hash", "vault"))


def test_several_files_of_which_some_fail(cli: Cli, vault: str) -> None:
    """The others are archived; each failure is printed with its name; exit 3."""
    (cli.folder / "good").write_bytes(b"good")
    (cli.folder / "better").write_bytes(b"better")
    (cli.folder / "empty").write_bytes(b"")
    os.mkfifo(cli.folder / "fifo")
    done = cli("--json", "upload", vault, "good", "empty", "missing", "fifo", ".", "better", code=3)
    assert {record["description"] for record in done.records} == {"good", "better"}
    errors = [json.loads(line) for line in done.err.splitlines()]
    assert {error["item"]: error["error"] for error in errors} == {
        "empty": "EmptyArchiveError",
        "missing": "SourceUnreadableError",
        "fifo": "SourceUnreadableError",
        ".": "SourceUnreadableError",
    }


@pytest.mark.parametrize(("name", "code"), [("missing", 1), ("empty", 2)])
def test_one_file_that_cannot_be(cli: Cli, vault: str, name: str, code: int) -> None:
    """A single failure ends with its own code, and its message names the file."""
    (cli.folder / "empty").write_bytes(b"")
    assert name in cli("upload", vault, name, code=code).err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(cli: Cli, vault: str) -> None:
    """Permission denied is reported with the file's name; exit 1."""
    (cli.folder / "locked").write_bytes(b"locked")
    (cli.folder / "locked").chmod(0)
    assert "locked" in cli("upload", vault, "locked", code=1).err


def test_standard_input_that_is_not_as_promised(cli: Cli, vault: str) -> None:
    """Empty, or of another length than ``--expected-size``: an error, and no archive."""
    assert cli("--json", "upload", vault, "-", stdin=b"", code=2).error["error"] == "EmptyArchiveError"
    error = cli("--json", "upload", vault, "-", "--expected-size", "5", stdin=b"1234", code=1).error
    assert (error["error"], error["expected"], error["actual"]) == ("LengthMismatchError", 5, 4)
    assert not cli("--json", "uploads", "list", vault).records
    assert cli("--json", "vault", "show", vault).record["archives"] == 0


def test_a_strange_name_is_kept_and_shown_escaped(cli: Cli, vault: str) -> None:
    """Any name a file can have goes into its description and comes out of it; none commands the terminal."""
    name = "-\x1b[31mred\n\N{LATIN SMALL LETTER E WITH ACUTE}"
    (cli.folder / name).write_bytes(b"strange")
    record = cli("--json", "upload", "--", vault, name).record
    assert decode(record["description"]).name == name
    assert "\x1b" not in cli("inventory", vault).text
    invalid = os.fsencode(str(cli.folder)) + b"/caf\xe9"
    with open(invalid, "wb") as file:  # noqa: PTH123  # a name of bytes
        file.write(b"latin")
    done = subprocess.run(
        [*map(os.fsencode, cli.command("--json", "upload", vault)), invalid],
        env=cli.env(),
        capture_output=True,
        check=False,
    )
    description = cli.judge(done.returncode, done.stdout, done.stderr, 0).record["description"]
    assert json.loads(description)["path"].encode(errors="surrogateescape") == b"caf\xe9"


def test_a_plan_is_printed_and_nothing_done(bare: Cli) -> None:
    """``--dry-run`` needs no connection."""
    (bare.folder / "film.mkv").write_bytes(data(5 * MIB))
    plan = bare("--json", "upload", "v", "film.mkv", "--part-size", "2MiB", "--dry-run").record
    assert (plan["size"], plan["part_size"], plan["parts"], plan["requests"]) == (5 * MIB, 2 * MIB, 3, 5)
    assert "one request" in bare("upload", "v", "film.mkv", "--dry-run").text
    stream = bare("--json", "upload", "v", "-", "--dry-run").record
    assert (stream["size"], stream["at_most"]) == (None, 10_000 * 8 * MIB)


def test_inventories_in_every_form(cli: Cli, vault: str) -> None:
    """Text, JSON lines, CSV, and the document as the service wrote it; a formula is disarmed in CSV."""
    first = upload_some(cli, vault, b"1", "--description", '=HYPERLINK("http://evil")')
    second = upload_some(cli, vault, b"22", "--description", 'a "quoted", one')
    assert [record["archive_id"] for record in cli("inventory", vault, "--format", "json").records] == [
        first,
        second,
    ]
    printed = cli("inventory", vault, "--format", "csv").out.decode()
    cli("inventory", vault, "--format", "csv", "--output", "list.csv")
    assert (cli.folder / "list.csv").read_bytes().decode() == printed
    rows = list(csv.DictReader(io.StringIO(printed, newline="")))
    assert [row["archive_id"] for row in rows] == [first, second]
    assert [row["description"] for row in rows] == ['\'=HYPERLINK("http://evil")', 'a "quoted", one']
    assert [row["size"] for row in rows] == ["1", "2"]
    cli("inventory", vault, "--output", "list.json")
    document = json.loads((cli.folder / "list.json").read_bytes())
    assert [each["ArchiveId"] for each in document["ArchiveList"]] == [first, second]
    assert cli("--json", "inventory", vault, "--output", "list.json", code=1).error["error"] == "TargetError"
    jobs = cli("--json", "jobs", "list", vault).records
    assert len(jobs) == 1  # one job served them all
    third = upload_some(cli, vault, b"333")
    assert [record["archive_id"] for record in cli("--json", "inventory", vault).records][-1] == third


def test_archives_are_deleted_once_somebody_says_so(cli: Cli, vault: str) -> None:
    """Without a terminal and without ``--yes`` nothing happens; ids come as arguments or in a file."""
    ids = [upload_some(cli, vault, data(10, seed)) for seed in range(3)]
    refused = cli("delete", vault, "--", *ids, code=2).err
    assert "--yes" in refused
    assert "90 days" in refused
    assert len(cli("--json", "inventory", vault).records) == 3
    (cli.folder / "ids").write_text(f"{ids[0]}\n\n{ids[1]}\n")
    done = cli("--json", "delete", vault, "--yes", "--archive-ids", "ids", f"--archive-id={ids[2]}")
    assert {record["archive_id"] for record in done.records} == set(ids)
    assert all(record["deleted"] for record in done.records)
    assert not cli("--json", "inventory", vault).records
    cli("delete", vault, "--yes", f"--archive-id={ids[0]}")  # again is no error


def test_a_job_is_used_again_and_not_paid_twice(tmp_path: Path) -> None:
    """``--no-wait`` starts one job and prints it; the same command adopts it; ``--job-id`` names it."""
    with serving(Cli(tmp_path), "glacier", "--job-delay", "3600", "--inventory-lag", "0") as url:
        cli = Cli(tmp_path, ("--endpoint-url", url, "--region", "us-east-1"), keys())
        cli("vault", "create", "v")
        archive_id = upload_some(cli, "v", data(2 * MIB))
        arguments = ["--json", "download", "v", f"--archive-id={archive_id}", "--no-wait"]
        first = cli(*arguments, "target", "--tier", "bulk", code=75).record
        assert (first["status"], first["tier"], first["archive_id"]) == ("InProgress", "Bulk", archive_id)
        assert cli(*arguments, "target", code=75).record["job_id"] == first["job_id"]
        assert cli(*arguments, f"--job-id={first['job_id']}", "target", code=75).record == first
        piped = cli(*arguments, "-", code=75)
        assert not piped.out  # the job is no archive
        assert not (tmp_path / "target").exists()
        waited = cli(
            "--json", "jobs", "wait", "v", f"--job-id={first['job_id']}", "--timeout", "0.1", code=75
        )
        assert waited.error["error"] == "WaitTimeoutError"
        assert waited.error["resume"]
        inventory = cli("--json", "inventory", "v", "--no-wait", code=75).record
        assert inventory["action"] == "InventoryRetrieval"
        assert cli("--json", "inventory", "v", "--no-wait", code=75).record == inventory
        output = cli("--json", "jobs", "output", "v", f"--job-id={first['job_id']}", "target", code=75)
        assert output.error["error"] == "JobNotReadyError"
        assert len(cli("--json", "jobs", "list", "v", "--status", "inprogress").records) == 2


def test_the_output_of_any_job(cli: Cli, vault: str) -> None:
    """``jobs`` shows, waits for and fetches what ``download`` started."""
    content = data(MIB)
    archive_id = upload_some(cli, vault, content)
    words = ["download", vault, f"--archive-id={archive_id}", "target", "--no-wait"]
    job = cli("--json", *words, code=75).record
    name = f"--job-id={job['job_id']}"
    assert cli("--json", "jobs", "wait", vault, name).record["status"] == "Succeeded"
    assert cli("--json", "jobs", "show", vault, "--", job["job_id"]).record["job_id"] == job["job_id"]
    assert cli("jobs", "output", vault, name, "-").out == content
    cli("jobs", "output", vault, name, "target")
    assert (cli.folder / "target").read_bytes() == content


def test_an_archive_that_is_not_there(cli: Cli, vault: str) -> None:
    """Exit 7 for an unknown id, also one that begins with "-", and no file is left."""
    for name in ("A" * 138, "-" + "A" * 137):
        done: Done = cli("--json", "download", vault, "--", name, "target", code=7)
        assert done.error["error"] == "ArchiveNotFoundError"
    assert [each.name for each in cli.folder.iterdir()] == [".local"]  # where the catalog is
