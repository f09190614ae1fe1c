"""Encrypted files beside their targets are decrypted, and only a complete one gets its name."""

from __future__ import annotations

import io
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyrage  # type: ignore[import-untyped]  # it has no types
import pytest

from aioglacier.bulk.formats.age import Identities, Recipients
from aioglacier.bulk.formats.age_streams import sealing, unseal_to, unsealing
from aioglacier.core.errors import ConfigurationError, IntegrityError, SourceChangedError, TargetError
from aioglacier.files import landing
from tests.bulk.conftest import MIB, Key

if TYPE_CHECKING:
    from tests.bulk.conftest import Place
    from tests.cli.conftest import Cli

PLAIN = b"plain" * 100_000


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A target with its encrypted file beside it."""
    return tmp_path / "film.mkv"


def seal(target: Path) -> tuple[Path, Identities]:
    """Write the encrypted file of a target; return it, and what opens it."""
    key = pyrage.x25519.Identity.generate()
    sealed = Path(landing.hidden_name(target, landing.ENCRYPTED))
    with sealed.open("wb") as file:
        Recipients([str(key.to_public())]).seal_stream(partial(io.BytesIO(PLAIN).read, 65536), file.write)
    return sealed, Identities([key])


def test_the_decrypted_file_gets_the_name(target: Path) -> None:
    """The encrypted file stays until the download is recorded."""
    sealed, identities = seal(target)
    unseal_to(str(target), identities, overwrite=False)
    assert target.read_bytes() == PLAIN
    assert {path.name for path in target.parent.iterdir()} == {target.name, sealed.name}


def test_a_file_that_appeared_meanwhile_is_kept(target: Path) -> None:
    """Without overwrite it stays, and so does the encrypted file, which was paid for."""
    sealed, identities = seal(target)
    target.write_bytes(b"the only copy")
    with pytest.raises(TargetError):
        unseal_to(str(target), identities, overwrite=False)
    assert target.read_bytes() == b"the only copy"
    unseal_to(str(target), identities, overwrite=True)
    assert target.read_bytes() == PLAIN
    assert sealed.exists()


def test_a_damaged_file_gets_no_name(target: Path) -> None:
    """The error says so, and the encrypted file stays to be looked at."""
    sealed, identities = seal(target)
    sealed.write_bytes(sealed.read_bytes()[:-1])
    with pytest.raises(IntegrityError):
        unseal_to(str(target), identities, overwrite=False)
    assert [path.name for path in target.parent.iterdir()] == [sealed.name]


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
