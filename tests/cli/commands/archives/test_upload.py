"""``aioglacier upload``: several sources at once, and what is stored already."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.inventory.descriptions import decode
from aioglacier.core.treehash import tree_hash
from tests.cli.conftest import MIB, Cli, ask, catalog_of, data, faulty, hang, sent, upload_some, wait_for

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [f"file-{number}" for number in range(8)]


def make_files(folder: Path) -> None:
    """Make small files, each with other bytes."""
    for name in NAMES:
        (folder / name).write_text(name)


@pytest.mark.slow
def test_several_sources_go_side_by_side(tmp_path: Path) -> None:
    """Eight small files, each answered after two seconds, take less than sixteen seconds."""
    slow = {"operation": "UploadArchive", "kind": "delay", "seconds": 2.0, "count": 8}
    make_files(tmp_path)
    with faulty(tmp_path, slow) as cli:
        began = time.monotonic()
        records = cli("--json", "upload", "v", *NAMES).records
        assert time.monotonic() - began < 16
    assert sorted(record["source"] for record in records) == NAMES
    assert len({record["archive_id"] for record in records}) == 8


def test_what_is_stored_and_unchanged_is_skipped(cli: Cli, vault: str) -> None:
    """A second run sends only what is new or changed, and says what it skipped; --again sends a copy."""
    make_files(cli.folder)
    first = {record["source"]: record for record in cli("--json", "upload", vault, *NAMES[:3]).records}
    (cli.folder / NAMES[1]).write_text("changed")
    done = cli("--json", "upload", vault, *NAMES[:4])
    again = {record["source"]: record for record in done.records}
    assert {name: record["skipped"] for name, record in again.items()} == {
        NAMES[0]: True,
        NAMES[1]: False,
        NAMES[2]: True,
        NAMES[3]: False,
    }
    assert again[NAMES[0]]["archive_id"] == first[NAMES[0]]["archive_id"]
    assert len(cli("--json", "inventory", vault).records) == 5
    assert "--again" in cli("upload", vault, NAMES[0]).err
    copy = cli("--json", "upload", vault, NAMES[0], "--again").record
    assert copy["archive_id"] != first[NAMES[0]]["archive_id"]
    assert not copy["skipped"]


def test_the_sources_may_stand_in_a_list(cli: Cli, vault: str) -> None:
    """--files-from takes what find -print0 writes, also beside SOURCEs; "-" in it is a file of this name."""
    make_files(cli.folder)
    (cli.folder / "-").write_text("dash")
    (cli.folder / "two\nlines").write_text("x")
    listed = "\0".join([*NAMES[:2], "-", "two\nlines", ""]).encode()
    done = cli("--json", "upload", vault, NAMES[2], "--files-from=-", stdin=listed)
    assert {record["source"] for record in done.records} == {*NAMES[:3], "./-", "two\nlines"}
    assert "missing argument: SOURCE" in cli("upload", vault, "--files-from=-", code=2).err
    assert "once only" in cli("upload", vault, "-", "--files-from=-", code=2).err
    (cli.folder / "list").write_text("file-1\nnone\n")
    partly = cli("upload", vault, "--files-from=list", code=3)
    assert "'none' cannot be read" in partly.err


def test_a_deleted_archive_is_sent_again(cli: Cli, vault: str) -> None:
    """Only an archive that is still stored stands for the file."""
    make_files(cli.folder)
    first = cli("--json", "upload", vault, NAMES[0]).record["archive_id"]
    cli("delete", vault, "--yes", f"--archive-id={first}")
    again = cli("--json", "upload", vault, NAMES[0]).record
    assert not again["skipped"]
    assert again["archive_id"] != first


def test_another_description_is_another_archive(cli: Cli, vault: str) -> None:
    """A file is stored under the description that was asked for."""
    make_files(cli.folder)
    first = cli("--json", "upload", vault, NAMES[0]).record["archive_id"]
    assert cli("--json", "upload", vault, NAMES[0], "--description=x").record["archive_id"] != first


@pytest.mark.slow
def test_a_restart_leaves_another_files_upload_alone(tmp_path: Path) -> None:
    """A22: two files of one name in two folders have one description, and only one of them is aborted."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "big").write_bytes(data(8 * MIB, seed=ord(folder)))
        with cli.started("upload", "v", "b/big", "--part-size", "1MiB") as run:
            wait_for(lambda: sent(cli) >= 4)
            done = cli("upload", "v", "a/big", "--part-size", "1MiB", "--restart")
            assert "aborted upload" not in done.err
            url = cli.arguments[1]
            assert len(ask(url, "GET", "vaults/v/multipart-uploads")["UploadsList"]) == 1
            run.kill()
        assert "going on" in cli("upload", "v", "b/big", "--part-size", "1MiB").err


def test_the_source_of_an_encrypted_upload_is_on_record(bare: Cli) -> None:
    """The catalog says which file it was. A plain upload of it is another archive, and is skipped later."""
    pyrage = pytest.importorskip("pyrage")
    key = str(pyrage.x25519.Identity.generate().to_public())
    (bare.folder / "file").write_bytes(b"archived")
    local = ("--local", "glacier", "--json")
    bare(*local, "vault", "create", "v")
    bare(*local, "upload", "v", "file", f"--recipient={key}")
    (record,) = bare(*local, "list", "v").records
    assert (record["source"], record["description"]) == (str(bare.folder / "file"), "")
    plain = bare(*local, "upload", "v", "file").record
    assert not plain["skipped"]
    bare(*local, "upload", "v", "file", f"--recipient={key}")
    assert bare(*local, "upload", "v", "file").record["skipped"]
    assert len(bare(*local, "list", "v").records) == 3


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


@pytest.mark.slow
def test_an_upload_to_another_vault_is_not_resumed_there(tmp_path: Path) -> None:
    """Both vaults are named, and nothing is sent (SV-14)."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        upload = left_behind(cli)
        cli("vault", "create", "other")
        named = f"--upload-id={upload['upload_id']}"
        error = cli("--json", "uploads", "resume", "other", named, "big", code=4).error
        assert error["error"] == "ResumeMismatchError"
        assert "vault v " in error["message"]
        assert "vault other " in error["message"]


def test_another_account_is_told_of(cli: Cli, vault: str) -> None:
    """Credentials of another account than the record of the vault are refused (DC-09)."""
    content = data(MIB)
    archive_id = cli("--json", "upload", vault, "-", stdin=content).record["archive_id"]
    cli("download", vault, f"--archive-id={archive_id}", "back")
    with closing(sqlite3.connect(catalog_of(cli))) as connection, connection:
        connection.execute("UPDATE places SET real_account_id = '999999999999'")
    again = cli("--json", "download", vault, f"--archive-id={archive_id}", "again", code=8).error
    assert again["error"] == "CatalogMismatchError"
    assert "999999999999" in again["message"]
    assert not (cli.folder / "again").exists()


PARTS = 12


SIZE = PARTS * MIB - 5


def left_behind(cli: Cli) -> dict[str, Any]:
    """Kill an upload in parts of 1 MiB before the last one has arrived, and return its record."""
    with cli.started("upload", "v", "big", "--part-size", "1MiB") as process:
        wait_for(lambda: sent(cli) == PARTS - 1)
        process.kill()  # a signal would wait for the last part
        process.communicate(timeout=10)
    return cli("--json", "uploads", "list", "v").record


def advised(text: str) -> list[str]:
    """The arguments of the command that a message ends with."""
    return shlex.split(text[text.rindex("aioglacier ") :].splitlines()[0])[1:]


@pytest.mark.slow
def test_a_file_that_changed_since_is_not_gone_on_with(tmp_path: Path) -> None:
    """Exit 4, nothing sent, and what to do instead; the old upload is left alone until somebody says so."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        upload = left_behind(cli)
        (tmp_path / "big").write_bytes(data(SIZE, seed=2))
        done = cli("--json", "upload", "v", "big", "--part-size", "1MiB", code=4)
        error = done.error
        assert (error["error"], error["byte_range"]) == ("ResumeMismatchError", "0-1048575")
        assert "--restart" in error["notes"][0]
        assert error["resume"] is None
        assert advised(error["notes"][-1])[-1] == f"--upload-id={upload['upload_id']}"
        assert not done.out
        assert sent(cli) == PARTS - 1
        done = cli("--json", "upload", "v", "big", "--part-size", "1MiB", "--no-resume")
        assert done.record["tree_hash"] == tree_hash(data(SIZE, seed=2)).hex()
        assert cli("--json", "uploads", "list", "v").record == upload
        assert (upload["part_size"], upload["description"]) == (MIB, "big")
        named = f"--upload-id={upload['upload_id']}"
        assert cli("--json", "uploads", "show", "v", named).record == upload
        mismatch = cli("--json", "uploads", "resume", "v", named, "big", code=4).error
        assert (mismatch["error"], mismatch["byte_range"]) == ("ResumeMismatchError", "0-1048575")
        assert mismatch["resume"] is None
        resumed = cli("--json", "uploads", "resume", "v", named, "-", stdin=data(SIZE)).record
        assert resumed["tree_hash"] == tree_hash(data(SIZE)).hex()


@pytest.mark.slow
def test_a_restart_forgets_the_old_upload(tmp_path: Path) -> None:
    """``--restart`` aborts the file's unfinished upload, though it could go on, and sends the file again."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        left_behind(cli)
        (tmp_path / "big").write_bytes(data(SIZE, seed=2))
        done = cli("upload", "v", "big", "--part-size", "1MiB", "--restart")
        assert "aborted upload" in done.err
        assert sent(cli) == 0
        assert cli("--json", "inventory", "v").record["tree_hash"] == tree_hash(data(SIZE, seed=2)).hex()
        cli("upload", "v", "big", "--restart", "--no-resume", code=2)


@pytest.mark.slow
def test_an_upload_goes_on_with_the_part_size_it_began_with(tmp_path: Path) -> None:
    """Another is refused with both, and nothing is sent (SV-14); none takes the old one."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        left_behind(cli)
        error = cli("--json", "upload", "v", "big", "--part-size", "2MiB", code=4).error
        assert error["error"] == "ResumeMismatchError"
        assert "1048576 bytes, but now it is 2097152 bytes" in error["message"]
        assert "--restart" in error["notes"][0]
        other = cli("--json", "upload", "v", "big", "--description", "another", code=4).error
        assert "'big', but now it is 'another'" in other["message"]
        assert sent(cli) == PARTS - 1
        assert "going on" in cli("upload", "v", "big").err
        assert sent(cli) == 0
        assert len(cli("--json", "inventory", "v").records) == 1


@pytest.mark.slow
def test_another_part_size_is_told_of(tmp_path: Path) -> None:
    """An upload that is not on record here may be somebody else's: it is left alone, and told of."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        left_behind(cli)
        elsewhere = Cli(cli.folder, (*cli.arguments, "--catalog", "other.db"), cli.environment)
        told = elsewhere("upload", "v", "big", "--part-size", "2MiB").err
        assert told.count("warning") == 1
        assert "has parts of 1048576 bytes, and 2097152 were asked for" in told
        assert sent(cli) == PARTS - 1
        Cli(cli.folder, (), cli.environment)(*advised(told))
        assert sent(cli) == 0
        assert len(cli("--json", "inventory", "v").records) == 1


@pytest.mark.slow
def test_an_upload_begun_elsewhere_is_known_by_its_description(tmp_path: Path) -> None:
    """Without its record the same bytes under the same description go on where they stopped."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        left_behind(cli)
        elsewhere = Cli(cli.folder, (*cli.arguments, "--catalog", "other.db"), cli.environment)
        assert "going on" in elsewhere("upload", "v", "big", "--part-size", "1MiB").err
        assert sent(cli) == 0
        assert elsewhere("--json", "list", "v").record["source"] == str(tmp_path / "big")


@pytest.mark.slow
def test_a_file_that_changes_meanwhile(tmp_path: Path) -> None:
    """Nothing can go on with that upload, so the command that is named aborts it."""
    slow = {"operation": "UploadMultipartPart", "kind": "delay", "count": None, "seconds": 0.3}
    with faulty(tmp_path, slow) as cli:
        with cli.started("--concurrency", "1", "upload", "v", "big", "--part-size", "1MiB") as process:
            wait_for(lambda: sent(cli) >= 2)
            with (tmp_path / "big").open("ab") as file:
                file.write(b"more")
            out, err = process.communicate(timeout=30)
        told = cli.judge(process.returncode, out, err, 1).err
        assert "to go on" not in told
        assert "cannot be continued" in told
        Cli(cli.folder, (), cli.environment)(*advised(told))
        assert sent(cli) == 0
