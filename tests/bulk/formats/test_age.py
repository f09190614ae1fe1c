"""Folders that are encrypted before they leave: they come back, and no other key reads them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pyrage  # type: ignore[import-untyped]  # it has no types
import pytest

from aioglacier.bulk.formats.age import read_identities, read_recipients
from aioglacier.bulk.formats.zstd import decode
from aioglacier.core.errors import ConfigurationError
from tests.bulk.conftest import MIB, Key, make_tree, picture

if TYPE_CHECKING:
    from pathlib import Path

    import aioglacier
    from tests.bulk.conftest import Place
    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow


async def content_of(place: Place, archive: aioglacier.Archive) -> bytes:
    """All of an archive, as the service has it."""
    async with place.vault() as vault:
        job = await vault.retrieve(archive.id)
        await job.wait_until_done()
        async with job.open_reader() as reader:
            blocks = [block async for block in reader]
    return b"".join(blocks)


async def test_nothing_of_an_encrypted_folder_can_be_read_without_the_key(
    place: Place, tmp_path: Path, key: Key
) -> None:
    """No name, no content, no folder's name, neither in archives nor in descriptions."""
    tree = tmp_path / "telltale-folder"
    tree.mkdir()
    (tree / "telltale-name").write_bytes(b"telltale-content" * 100)
    (tree / "telltale-link").symlink_to("telltale-target")
    (tree / "telltale-big").write_bytes(b"telltale-content" * (MIB + MIB // 16))
    await place.sync(tree, recipients=key.recipients)
    archives = await place.archives()
    assert len(archives) == 2
    for archive in archives:
        assert "telltale" not in archive.description
        assert b"telltale" not in await content_of(place, archive)


@pytest.mark.parametrize("compress", [False, True])
async def test_a_bundle_can_be_read_with_plain_tools_and_the_key(
    place: Place, tree: Path, tmp_path: Path, key: Key, compress: bool
) -> None:
    """``tar`` lists members by number; decrypted and joined they are a tar archive of the folder."""
    await place.sync(tree, recipients=key.recipients, compress=compress)
    (archive,) = await place.archives()
    with tarfile.open(fileobj=io.BytesIO(await content_of(place, archive))) as outer:
        names = outer.getnames()
        files = {name: outer.extractfile(name) for name in names}
    contents = {name: file.read() for name, file in files.items() if file is not None}
    members = [
        pyrage.decrypt(contents[name], [key.identity]) for name in names if name.startswith("members/")
    ]
    joined = b"".join(decode(member) if compress else member for member in members)
    back = tmp_path / "back"
    back.mkdir()
    subprocess.run(["tar", "-x", "--xattrs", "-C", back], input=joined, check=True, timeout=30)  # noqa: ASYNC221
    assert (back / "private").read_bytes() == b"secret"
    assert len(members) == len(picture(tree))
    index = decode(pyrage.decrypt(contents[".aioglacier/index-000000.jsonl.zst.age"], [key.identity]))
    paths = {json.loads(line)["path"] for line in index.splitlines()}
    assert {"private", "d0/e0/f0"} <= paths
    trailer = json.loads(contents[".aioglacier/bundle.json"])
    assert (trailer["encryption"], trailer["members"]) == ("age", len(members))
    assert "root" not in trailer


# --- keys


def test_a_secret_key_as_a_recipient_is_refused_and_not_repeated(key: Key) -> None:
    """The message never repeats the secret, wherever it came from."""
    with pytest.raises(ConfigurationError, match="secret key") as caught:
        read_recipients([key.secret])
    assert key.secret not in str(caught.value)
    with pytest.raises(ConfigurationError, match="secret key"):
        read_recipients([], [key.file])


def test_what_is_no_identity_is_named_by_its_line_only(tmp_path: Path, key: Key) -> None:
    """A secret with a typing error is still almost the secret."""
    file = tmp_path / "typo"
    file.write_text("# mine\n" + key.secret[:-1] + "\n")
    with pytest.raises(ConfigurationError, match="line 2") as caught:
        read_identities([file])
    assert key.secret[:30] not in f"{caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no identity"),
        ("age-encryption.org/v1\n", "passphrase"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "private key"),
    ],
)
def test_a_file_without_a_usable_identity_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """The file is refused before anything is asked for."""
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        read_identities([file])
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_identities([tmp_path / "nowhere"])


def test_what_is_no_recipient_is_refused(tmp_path: Path) -> None:
    """A file without a recipient is refused as well."""
    with pytest.raises(ConfigurationError, match="age1invalid"):
        read_recipients(["age1invalid"])
    (tmp_path / "empty").write_text("# empty\n")
    with pytest.raises(ConfigurationError, match="no recipients"):
        read_recipients([], [tmp_path / "empty"])
    assert read_recipients([]) is None
    assert read_identities([]) is None


def test_a_sample_is_decrypted_where_a_key_is_given(program: Cli, tmp_path: Path, key: Key) -> None:
    """The files that a key opened are counted; a key that cannot fit is refused before anything is paid."""
    make_tree(tmp_path / "tree", files=8)
    program("sync", f"--recipient={key.recipient}", "tree", "photos")
    verify = ("verify", "--sample=100", "--json", "tree", "photos")
    assert program(*verify).records[-1]["opened"] == 0
    done = program(*verify, f"--identity={key.file}").records[-1]
    assert (done["troubles"], done["opened"] > 8) == (0, True)
    other = Key(tmp_path, "other")
    assert "nothing was asked for" in program(*verify, f"--identity={other.file}", code=2).err
    program("verify", f"--identity={key.file}", "tree", "photos", code=2)


# --- single archives


def test_a_file_and_standard_input_are_encrypted_and_come_back(
    program: Cli, tmp_path: Path, key: Key
) -> None:
    """To a file and to standard output; what is stored is age, and has no name."""
    content = os.urandom(9 * MIB + 1)
    (tmp_path / "telltale").write_bytes(content)
    to, by = f"--recipient={key.recipient}", f"--identity={key.file}"
    done = program("upload", to, "--json", "photos", "telltale").record
    assert (done["description"], done["size"] > len(content)) == ("", True)
    archive = f"--archive-id={done['archive_id']}"
    program("download", by, archive, "photos", "back")
    assert (tmp_path / "back").read_bytes() == content
    assert program("download", by, archive, "photos", "-").out == content
    assert pyrage.decrypt(program("download", archive, "photos", "-").out, [key.identity]) == content
    done = program("upload", to, "--json", "photos", "-", stdin=content).record
    assert program("download", by, f"--archive-id={done['archive_id']}", "photos", "-").out == content
    assert list(tmp_path.glob(".*.age*")) == []


def test_a_stream_that_rolls_over_can_be_encrypted(program: Cli, tmp_path: Path, key: Key) -> None:
    """The pieces are those of one age stream."""
    content = os.urandom(5 * MIB)
    to, by = f"--recipient={key.recipient}", f"--identity={key.file}"
    rolling = ("upload", "--roll-over", "--part-size=1MiB", "--piece-size=2MiB", to, "--json")
    done = program(*rolling, "photos", "-", stdin=content).record
    manifest = ("download", "--manifest", by, f"--archive-id={done['archive_id']}", "photos")
    program(*manifest, "back")
    assert (tmp_path / "back").read_bytes() == content
    assert program(*manifest, "-").out == content


def test_a_wrong_key_writes_nothing_and_is_exit_code_2(program: Cli, tmp_path: Path, key: Key) -> None:
    """To neither a file nor standard output; with the right key it is there all the same."""
    other = Key(tmp_path, "other")
    (tmp_path / "file").write_bytes(b"content" * 1000)
    done = program("upload", f"--recipient={key.recipient}", "--json", "photos", "file").record
    archive = f"--archive-id={done['archive_id']}"
    wrong = program("download", f"--identity={other.file}", archive, "photos", "back", code=2)
    assert "others" in wrong.err
    assert not (tmp_path / "back").exists()
    assert program("download", f"--identity={other.file}", archive, "photos", "-", code=2).out == b""
    program("download", f"--identity={key.file}", archive, "photos", "back")
    assert (tmp_path / "back").read_bytes() == b"content" * 1000
