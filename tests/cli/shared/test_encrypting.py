"""Files that are decrypted on their way to their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from aioglacier.bulk.formats.age import Identities
from aioglacier.cli.shared.encrypting import save_unsealed, unsealed
from aioglacier.core.errors import TargetError

pyrage = pytest.importorskip("pyrage")


async def test_bytes_are_decrypted_on_the_way(tmp_path: Path) -> None:
    """The encrypted file is fetched under a hidden name, and the target appears decrypted."""
    key = pyrage.x25519.Identity.generate()
    sealed = pyrage.encrypt(b"november", [key.to_public()])
    film = tmp_path / "film"
    fetched: list[str] = []

    async def save(target: str, *, overwrite: bool) -> None:
        fetched.append(Path(target).name)
        assert overwrite  # what an earlier run left
        Path(target).write_bytes(sealed)  # noqa: ASYNC240

    await save_unsealed(str(film), Identities([key]), save, overwrite=False)
    assert film.read_bytes() == b"november"
    assert fetched[0].startswith(".")
    with pytest.raises(TargetError):
        await save_unsealed(str(film), Identities([key]), save, overwrite=False)
    assert len(fetched) == 1  # nothing is fetched for a target that exists


async def test_without_identities_bytes_stay_as_they_are(tmp_path: Path) -> None:
    """The target itself is fetched, and a block is written as it comes."""

    async def save(target: str, *, overwrite: bool) -> None:
        assert not overwrite
        Path(target).write_bytes(b"sealed")  # noqa: ASYNC240

    await save_unsealed(str(tmp_path / "film"), None, save, overwrite=False)
    assert (tmp_path / "film").read_bytes() == b"sealed"

    async def write(block: bytes) -> None:
        del block

    async with unsealed(write, None) as give:
        assert give is write
