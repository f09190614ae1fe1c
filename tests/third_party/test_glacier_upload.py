"""The PyPI package glacier_upload, unchanged: its command ``glacier``, as a process for each call."""

from __future__ import annotations

import json
import random
import re
import tarfile
from collections import Counter
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.utils import calculate_tree_hash

from aioglacier.server import Fault
from tests.forking import forks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aioglacier.testing import ServedGlacier

MIB = 1024 * 1024
VAULT = "photos"

#: The package sends files from 100 MiB on in parts.
SIZE = 101 * MIB + 12345

pytestmark = [pytest.mark.slow, pytest.mark.local_glacier(job_delay=0, inventory_lag=0)]


class Tool:
    """The command ``glacier`` in an environment that knows only the local Glacier."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder

    def __call__(self, *words: str) -> str:
        """Run the command, which must succeed; return its standard output."""
        code, out, err = forks("glacier").run(words, cwd=self._folder, env=self._environment)
        assert code == 0, out + err
        return out.decode()


def told(text: str, name: str) -> str:
    """Return the text that the tool printed after a name."""
    found = re.search(rf"{name}: (\S+)", text)
    assert found, text
    return found[1]


@pytest.fixture
def client(local_glacier: ServedGlacier) -> Any:
    """Return boto3's client, to prepare and to inspect, with a vault."""
    made = boto3.client("glacier", **local_glacier.client_arguments)
    made.create_vault(vaultName=VAULT)
    return made


@pytest.fixture
def tool(environment: dict[str, str], tmp_path: Path, client: Any) -> Tool:
    """Return the command, working in ``tmp_path``, for an existing vault."""
    assert client
    return Tool(environment, tmp_path)


def big_file(folder: Path) -> str:
    """Make a file of slightly more than 101 different MiB; return its tree hash."""
    seeded = random.Random(7)  # noqa: S311  # repeatable, not secret
    with (folder / "big").open("wb") as file:
        for _ in range(SIZE // MIB):
            file.write(seeded.randbytes(MIB))
        file.write(seeded.randbytes(SIZE % MIB))
    return tree_hash_of(folder / "big")


def tree_hash_of(path: Path) -> str:
    """Return a file's tree hash as botocore computes it."""
    with path.open("rb") as file:
        tree_hash: str = calculate_tree_hash(file)  # type: ignore[arg-type]  # the stubs are wrong
    return tree_hash


def test_a_big_file_goes_up_in_threads_and_comes_back_in_parts(
    tool: Tool, tmp_path: Path, listed: Callable[[str], list[dict[str, Any]]]
) -> None:
    """Eight threads send 13 parts, the inventory has the archive, and four ranges join to the same bytes."""
    tree_hash = big_file(tmp_path)
    printed = tool("upload", "--part-size", "8", "--num-threads", "8", "--arc-desc", "big one", VAULT, "big")
    assert told(printed, "Glacier total tree hash") == tree_hash
    archive_id = told(printed, "Archive ID")
    (entry,) = listed(VAULT)
    assert entry["ArchiveId"] == archive_id
    assert (entry["ArchiveDescription"], entry["Size"], entry["SHA256TreeHash"]) == (
        "big one",
        SIZE,
        tree_hash,
    )
    printed = tool("archive", "init-retrieval", "--tier", "Bulk", VAULT, "--", archive_id)
    job_id = told(printed, "Job ID")
    assert "Archive downloaded." in tool("archive", "get", VAULT, "--", job_id, "back")
    assert tree_hash_of(tmp_path / "back") == tree_hash
    assert (tmp_path / "back").stat().st_size == SIZE


def test_an_upload_is_resumed_by_its_id(
    tool: Tool,
    tmp_path: Path,
    client: Any,
    local_glacier: ServedGlacier,
    listed: Callable[[str], list[dict[str, Any]]],
) -> None:
    """Parts that the server lists with the right hash are not sent again, a wrong one is."""
    tree_hash = big_file(tmp_path)
    place = {"vaultName": VAULT}
    place["uploadId"] = client.initiate_multipart_upload(**place, partSize=str(16 * MIB))["uploadId"]
    with (tmp_path / "big").open("rb") as file:
        for index in range(3):
            part = file.read(16 * MIB) if index != 1 else b"wrong" + file.read(16 * MIB)[5:]
            span = f"bytes {index * 16 * MIB}-{(index + 1) * 16 * MIB - 1}/*"
            client.upload_multipart_part(**place, range=span, body=part)
    local_glacier.add_faults(Fault("UploadMultipartPart", first=10**9))  # never strikes, counts
    tool(
        "upload", "--part-size", "16", "--num-threads", "4", f"--upload-id={place['uploadId']}", VAULT, "big"
    )
    assert local_glacier.status()["faults"][0]["met"] == 7 - 2
    (entry,) = listed(VAULT)
    assert (entry["Size"], entry["SHA256TreeHash"]) == (SIZE, tree_hash)


def test_a_folder_goes_up_as_one_archive_and_is_in_the_inventory(
    tool: Tool, tmp_path: Path, client: Any
) -> None:
    """A folder is packed and sent in one request; the inventory lists it; it unpacks again."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / name).write_text(name * 1000)
    printed = tool("upload", "--arc-desc", "folder", VAULT, "folder")
    archive_id, tree_hash = told(printed, "Archive ID"), told(printed, "Glacier tree hash")

    job_id = told(tool("inventory", "init-retrieval", VAULT), "Job ID")
    printed = tool("inventory", "get", VAULT, "--", job_id)
    inventory = json.loads(printed[printed.index("{") :])
    assert [(entry["ArchiveId"], entry["SHA256TreeHash"]) for entry in inventory["ArchiveList"]] == [
        (archive_id, tree_hash)
    ]
    job_id = told(tool("archive", "init-retrieval", VAULT, "--", archive_id), "Job ID")
    tool("archive", "get", VAULT, "--", job_id, "back.tar.xz")
    with tarfile.open(tmp_path / "back.tar.xz") as packed:
        assert {"folder/one", "folder/two"} < set(packed.getnames())
        member = packed.extractfile("folder/two")
        assert member is not None
        assert member.read() == b"two" * 1000
    jobs = client.list_jobs(vaultName=VAULT)["JobList"]
    assert Counter(job["Action"] for job in jobs) == {"InventoryRetrieval": 1, "ArchiveRetrieval": 1}
