"""Folders that are encrypted before they leave: they come back, and no other key reads them."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pyrage  # type: ignore[import-untyped]  # it has no types
import pytest

from aioglacier.bulk import FolderRestore, RestoreOptions
from aioglacier.bulk.formats.age import read_identities, read_recipients
from aioglacier.bulk.formats.age_streams import sealing, unsealing
from aioglacier.bulk.formats.zstd import decode
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.restore.selection import SelectionOptions
from aioglacier.bulk.sync.plan import SyncOptions
from aioglacier.bulk.sync.sync import FolderSync
from aioglacier.core.errors import ConfigurationError, IntegrityError, SourceChangedError
from aioglacier.core.spending import Budget
from tests.bulk.conftest import MIB, make_tree, picture
from tests.bulk.test_kills import run
from tests.cli.conftest import Cli

if TYPE_CHECKING:
    from pathlib import Path

    import aioglacier
    from tests.bulk.conftest import Place


class Key:
    """A pair of keys, in files."""

    def __init__(self, folder: Path, name: str = "key") -> None:
        self.identity = pyrage.x25519.Identity.generate()
        self.secret = str(self.identity)
        self.recipient = str(self.identity.to_public())
        self.file = folder / f"{name}.txt"
        self.file.write_text(f"# public key: {self.recipient}\n{self.secret}\n")
        self.recipients = read_recipients([self.recipient])
        self.identities = read_identities([self.file])


@pytest.fixture
def key(tmp_path: Path) -> Key:
    """Whom things are encrypted to."""
    return Key(tmp_path)


async def content_of(place: Place, archive: aioglacier.Archive) -> bytes:
    """All of an archive, as the service has it."""
    async with place.vault() as vault:
        job = await vault.retrieve(archive.id)
        await job.wait_until_done()
        async with job.open_reader() as reader:
            blocks = [block async for block in reader]
    return b"".join(blocks)


@pytest.mark.parametrize("compress", [False, True])
async def test_an_encrypted_folder_comes_back_exact(
    place: Place, tree: Path, tmp_path: Path, key: Key, compress: bool
) -> None:
    """Small files and a big one, with all their facts; the second time nothing is asked for."""
    (tree / "big").write_bytes(os.urandom(17 * MIB + 5))
    os.setxattr(tree / "big", "user.note", b"of a big file")
    done = await place.sync(tree, recipients=key.recipients, compress=compress)
    assert done.archives == 2
    await place.restore(tmp_path / "back", identities=key.identities)
    assert picture(tmp_path / "back") == picture(tree)
    again = await place.sync(tree, recipients=key.recipients, compress=compress)
    assert (again.requests, again.unchanged) == (0, again.looked_at)


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


async def test_one_member_of_an_encrypted_bundle_comes_back_by_a_range(
    place: Place, tmp_path: Path, key: Key
) -> None:
    """Little more than itself is retrieved."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(24):
        (tree / f"f{number:02}").write_bytes(os.urandom(MIB // 2))
    await place.sync(tree, recipients=key.recipients)
    done = await place.restore(
        tmp_path / "back", selection=SelectionOptions(patterns=["f11"]), identities=key.identities
    )
    assert (tmp_path / "back" / "f11").read_bytes() == (tree / "f11").read_bytes()
    async with place.vault() as vault:
        sizes = [job.byte_range.size async for job in vault.jobs() if job.byte_range is not None]
    assert sizes
    assert max(sizes) <= 2 * MIB
    assert done.restored == 1


async def test_an_encrypted_folder_is_not_retrieved_without_a_key_that_fits(
    place: Place, tree: Path, tmp_path: Path, key: Key
) -> None:
    """Nothing is asked for, so nothing is paid for what could not be read."""
    await place.sync(tree, recipients=key.recipients)
    other = Key(tmp_path, "other")
    async with place.vault() as vault:
        for identities, said in ((None, "--identity"), (other.identities, key.recipient)):
            restore = FolderRestore(
                vault,
                tmp_path / "back",
                Budget(load_prices("us-east-1")),
                RestoreOptions(identities=identities),
            )
            with pytest.raises(ConfigurationError, match=said):
                await restore.run()
        assert [job async for job in vault.jobs()] == []


async def test_an_encrypted_folder_does_not_go_in_plain_by_oversight(
    place: Place, tree: Path, key: Key
) -> None:
    """A sync without recipients after one with them is refused, unless it is asked for."""
    await place.sync(tree, recipients=key.recipients)
    (tree / "new").write_bytes(b"new")
    async with place.vault() as vault:
        with pytest.raises(ConfigurationError, match="--no-encryption"):
            await FolderSync(vault, tree).run()
    done = await place.sync(tree, allows_plain=True)
    assert done.archived == 1
    (tree / "newer").write_bytes(b"newer")
    assert (await place.sync(tree)).archived == 1


async def test_what_was_only_touched_is_not_encrypted_again(place: Place, tmp_path: Path, key: Key) -> None:
    """Whether small or big: the hash on record is that of the content."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "small").write_bytes(b"small")
    (tree / "big").write_bytes(os.urandom(17 * MIB))
    await place.sync(tree, recipients=key.recipients)
    for name in ("small", "big"):
        os.utime(tree / name, ns=(5, 5))
    done = await place.sync(tree, recipients=key.recipients)
    assert (done.archives, done.recorded, done.requests) == (0, 2, 0)
    await place.restore(tmp_path / "back", identities=key.identities)
    assert (tmp_path / "back" / "big").stat().st_mtime_ns == 5


async def test_every_recipient_can_read(place: Place, tree: Path, tmp_path: Path, key: Key) -> None:
    """One of them is a key of OpenSSH."""
    ssh = tmp_path / "id_ed25519"
    subprocess.run(  # noqa: ASYNC221
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ssh], check=True, timeout=30
    )
    public = " ".join((tmp_path / "id_ed25519.pub").read_text().split()[:2])
    file = tmp_path / "recipients"
    file.write_text(f"# both\n{key.recipient}\n\n{public}\n")
    await place.sync(tree, recipients=read_recipients([], [file]))
    for number, identity in enumerate((key.file, ssh)):
        await place.restore(tmp_path / f"back{number}", identities=read_identities([identity]))
        assert picture(tmp_path / f"back{number}") == picture(tree)


@pytest.mark.parametrize(
    "point", ["upload id recorded", "part sent", "completing recorded", "completing recorded:2", "completed"]
)
async def test_an_encrypted_sync_killed_at_any_point_is_made_good_by_the_next(
    place: Place, tmp_path: Path, key: Key, point: str
) -> None:
    """One bundle and one file in the end, no upload is open, and all comes back."""
    tree = make_tree(tmp_path / "tree", files=5)
    (tree / "big").write_bytes(os.urandom(17 * MIB))
    async with place.vault():
        pass
    command = ("sync", f"--recipient={key.recipient}", tree, "folders")
    assert run(place, *command, crash_at=point) == -signal.SIGKILL
    assert run(place, *command) == 0
    assert len(await place.archives()) == 2
    assert run(place, "restore", f"--identity={key.file}", "folders", tmp_path / "back") == 0
    assert picture(tmp_path / "back") == picture(tree)
    assert (await place.sync(tree, recipients=key.recipients)).requests == 0


async def test_a_plan_counts_what_encryption_adds(place: Place, tmp_path: Path, key: Key) -> None:
    """The plan of a dry run is close to what is sent."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(300):
        (tree / f"{number}").write_bytes(os.urandom(1000))
    options = SyncOptions(recipients=key.recipients)
    async with place.vault() as vault:
        plan = await FolderSync(vault, tree, options).plan()
        done = await FolderSync(vault, tree, options).run()
    assert plan.requests == done.requests
    assert abs(plan.sent - done.sent) < done.sent // 10


# --- keys


def test_a_secret_key_as_a_recipient_is_refused_and_not_repeated(key: Key) -> None:
    """Wherever it came from."""
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
    """Before anything is asked for."""
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        read_identities([file])
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_identities([tmp_path / "nowhere"])


def test_what_is_no_recipient_is_refused(tmp_path: Path) -> None:
    """As is a file without any."""
    with pytest.raises(ConfigurationError, match="age1invalid"):
        read_recipients(["age1invalid"])
    (tmp_path / "empty").write_text("# empty\n")
    with pytest.raises(ConfigurationError, match="no recipients"):
        read_recipients([], [tmp_path / "empty"])
    assert read_recipients([]) is None
    assert read_identities([]) is None


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 3 * MIB + 7])
def test_streams_are_read_back_by_their_recipient(key: Key, size: int) -> None:
    """Any size of blocks gives the same as sealing in memory."""
    content = os.urandom(size)
    source = io.BytesIO(content)
    sealed: list[bytes] = []
    assert key.recipients is not None
    assert key.identities is not None
    key.recipients.seal_stream(lambda: source.read(100_000), sealed.append)
    assert all(len(block) <= 2 * MIB for block in sealed)
    assert key.identities.unseal(b"".join(sealed)) == content
    again = io.BytesIO(key.recipients.seal(content))
    plain: list[bytes] = []
    key.identities.unseal_stream(lambda: again.read(7777), plain.append)
    assert b"".join(plain) == content


def test_what_was_tampered_with_or_cut_off_is_noticed(tmp_path: Path, key: Key) -> None:
    """In memory and in streams; another's key is another matter."""
    assert key.recipients is not None
    assert key.identities is not None
    sealed = key.recipients.seal(b"x" * 200_000)
    other = Key(tmp_path, "other").identities
    assert other is not None
    for damaged in (sealed[:-1], sealed[:-5] + b"!" + sealed[-4:], sealed[: len(sealed) // 2], b"", b"junk"):
        with pytest.raises(IntegrityError):
            key.identities.unseal(damaged)
        with pytest.raises(IntegrityError):
            key.identities.unseal_stream(io.BytesIO(damaged).read, lambda _: None)
    with pytest.raises(ConfigurationError, match="others"):
        other.unseal(sealed)
    with pytest.raises(ConfigurationError, match="others"):
        other.unseal_stream(io.BytesIO(sealed).read, lambda _: None)


def test_a_failure_at_either_end_of_a_stream_is_raised_as_it_was(key: Key) -> None:
    """The library between would make text of it."""
    assert key.recipients is not None

    def fail(*_: object) -> bytes:
        raise FileNotFoundError(2, "gone")

    with pytest.raises(FileNotFoundError):
        key.recipients.seal_stream(fail, lambda _: None)
    with pytest.raises(FileNotFoundError):
        key.recipients.seal_stream(io.BytesIO(bytes(3 * MIB)).read, fail)


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


@pytest.fixture
def program(tmp_path: Path) -> Cli:
    """The program on a local Glacier with one vault."""
    cli = Cli(tmp_path, ("--local", "glacier"))
    cli("vault", "create", "photos")
    return cli


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


def test_a_stream_that_breaks_while_it_is_encrypted_is_no_archive(program: Cli, key: Key) -> None:
    """Nothing takes the break for the end."""
    to = f"--recipient={key.recipient}"
    program("upload", to, "photos", ".", code=1)
    program("upload", to, "--restart", "photos", "-", stdin=b"x", code=2)
    program("sync", to, "--no-encryption", ".", "photos", code=2)
    assert program("--json", "list", "photos").out == b""
    assert program("--json", "uploads", "list", "photos").out == b""


async def test_a_source_that_changed_while_it_was_encrypted_is_no_archive(place: Place, key: Key) -> None:
    """All of it was read and sent by then; its end never comes."""
    assert key.recipients is not None

    def confirm() -> None:
        raise SourceChangedError("it changed", path="file", field="mtime")

    async with place.vault() as vault:
        with pytest.raises(SourceChangedError):
            async with sealing(io.BytesIO(os.urandom(3 * MIB)), key.recipients, confirm) as sealed:
                await vault.upload(sealed, part_size=MIB)
    assert await place.archives() == []


async def test_a_stream_that_is_cut_off_is_noticed_at_its_end(key: Key) -> None:
    """The bytes written until then are right."""
    assert key.recipients is not None
    assert key.identities is not None
    content = os.urandom(3 * MIB)
    sealed = key.recipients.seal(content)
    plain: list[bytes] = []

    async def write(block: bytes) -> None:
        plain.append(block)

    with pytest.raises(IntegrityError):
        async with unsealing(write, key.identities) as feed:
            await feed(sealed[:-1])
    assert content.startswith(b"".join(plain))
    plain.clear()
    async with unsealing(write, key.identities) as feed:
        await feed(sealed[:1000])
        await feed(sealed[1000:])
    assert b"".join(plain) == content
