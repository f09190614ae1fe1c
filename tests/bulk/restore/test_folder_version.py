"""The versions of a folder that a restore brings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.restore.selection import SelectionOptions
from aioglacier.core.errors import ConfigurationError
from tests.bulk.conftest import restore, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place


async def test_a_hard_link_whose_file_changed_becomes_a_file(place: Place, tmp_path: Path) -> None:
    """It has the content that both had when the link was recorded."""
    tree = write(tmp_path / "tree", {"a": b"first"})
    (tree / "b").hardlink_to(tree / "a")
    await place.sync(tree)
    (tree / "a").unlink()
    write(tree, {"a": b"second"})
    (tree / "b").unlink()
    done_first = await place.restore(tmp_path / "both", folder=str(tree))
    assert done_first.restored
    await place.sync(tree)
    back = tmp_path / "back"
    await place.restore(back)
    assert (back / "a").read_bytes() == b"second"
    assert not (back / "b").exists()
    assert (tmp_path / "both" / "b").read_bytes() == b"first"


async def test_a_link_alone_brings_the_content_of_its_file(place: Place, tmp_path: Path) -> None:
    """A pattern that names only the link restores a file under the name of the link."""
    tree = write(tmp_path / "tree", {"a": b"content"})
    (tree / "b").hardlink_to(tree / "a")
    await place.sync(tree)
    await place.restore(tmp_path / "back", selection=SelectionOptions(patterns=("/b",)))
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["b"]
    assert (tmp_path / "back" / "b").read_bytes() == b"content"


async def test_one_of_several_folders_has_to_be_named(place: Place, tmp_path: Path) -> None:
    """The error lists the folders and the option; an unknown folder and an empty vault have errors too."""
    with pytest.raises(ConfigurationError, match="knows no folder"):
        await restore(place, tmp_path / "back")
    for name in ("one", "two"):
        await place.sync(write(tmp_path / name, {"file": name.encode()}))
    with pytest.raises(ConfigurationError, match=r"several folders.*--folder"):
        await restore(place, tmp_path / "back")
    with pytest.raises(ConfigurationError, match="does not know this folder"):
        await restore(place, tmp_path / "back", folder="/elsewhere")
    await place.restore(tmp_path / "back", folder=str(tmp_path / "two"))
    assert (tmp_path / "back" / "file").read_bytes() == b"two"


async def test_a_folder_comes_back_as_it_was_at_a_time(place: Place, tmp_path: Path) -> None:
    """Contents, folders and links are those of the last run before; what came later is left out."""
    tree = write(tmp_path / "tree", {"a": b"first", "was/x": b"x"})
    (tree / "link").symlink_to("a")
    await place.sync(tree)
    then = datetime.now(UTC)
    (tree / "link").unlink()
    (tree / "was").rename(tree / "is")
    write(tree, {"a": b"second", "new": b"new"})
    await place.sync(tree)
    await place.restore(tmp_path / "back", selection=SelectionOptions(at=then))
    back = tmp_path / "back"
    assert sorted(str(path.relative_to(back)) for path in back.rglob("*")) == ["a", "link", "was", "was/x"]
    assert (back / "a").read_bytes() == b"first"
