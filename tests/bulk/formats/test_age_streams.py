"""Encrypted files beside their targets are decrypted, and only a complete one gets its name."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
import pytest

from aioglacier.bulk.formats.age import Identities, Recipients
from aioglacier.bulk.formats.age_streams import unseal_to
from aioglacier.core.errors import IntegrityError, TargetError
from aioglacier.files import landing

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
    """The encrypted file is removed, because it is no longer needed."""
    _, identities = seal(target)
    unseal_to(str(target), identities, overwrite=False)
    assert target.read_bytes() == PLAIN
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_file_that_appeared_meanwhile_is_kept(target: Path) -> None:
    """Without overwrite it stays, and so does the encrypted file, which was paid for."""
    sealed, identities = seal(target)
    target.write_bytes(b"the only copy")
    with pytest.raises(TargetError):
        unseal_to(str(target), identities, overwrite=False)
    assert target.read_bytes() == b"the only copy"
    unseal_to(str(target), identities, overwrite=True)
    assert target.read_bytes() == PLAIN
    assert not sealed.exists()


def test_a_damaged_file_gets_no_name(target: Path) -> None:
    """The error says so, and the encrypted file stays to be looked at."""
    sealed, identities = seal(target)
    sealed.write_bytes(sealed.read_bytes()[:-1])
    with pytest.raises(IntegrityError):
        unseal_to(str(target), identities, overwrite=False)
    assert [path.name for path in target.parent.iterdir()] == [sealed.name]
