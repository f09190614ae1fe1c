"""The tags of a vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.conftest import send

if TYPE_CHECKING:
    from aioglacier.server import LocalGlacier
    from tests.server.conftest import Boto

ACCENTED = "d\N{LATIN SMALL LETTER E WITH ACUTE}p"


async def test_tags_are_added_overwritten_and_removed(boto: Boto) -> None:
    """Keys are case-sensitive, and removing an unknown one is not an error."""
    assert (await boto("list_tags_for_vault"))["Tags"] == {}
    await boto("add_tags_to_vault", Tags={"Team": "film", "team": "", ACCENTED: "a b+c=d/e@f:g"})
    await boto("add_tags_to_vault", Tags={"Team": "photo"})
    assert (await boto("list_tags_for_vault"))["Tags"]["Team"] == "photo"
    await boto("remove_tags_from_vault", TagKeys=["team", "unknown"])
    assert set((await boto("list_tags_for_vault"))["Tags"]) == {"Team", ACCENTED}


async def test_the_51st_tag_is_refused_and_none_of_its_request_is_set(boto: Boto) -> None:
    """A vault takes 50 tags, a request 10."""
    for start in range(0, 50, 10):
        await boto("add_tags_to_vault", Tags={f"k{start + number}": "v" for number in range(10)})
    await boto("add_tags_to_vault", Tags={"k0": "changed"})
    status, code, _ = await boto.refused("add_tags_to_vault", Tags={"k0": "again", "one-more": "v"})
    assert (status, code) == (400, "LimitExceededException")
    assert (await boto("list_tags_for_vault"))["Tags"]["k0"] == "changed"


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {f"k{number}": "v" for number in range(11)},
        {"aws:x": "v"},
        {"k" * 129: "v"},
        {"k": "v" * 256},
        {"": "v"},
        {"k": "no#hash"},
    ],
)
async def test_wrong_tags_are_refused(boto: Boto, tags: dict[str, str]) -> None:
    """Number, length and characters are checked."""
    assert (await boto.refused("add_tags_to_vault", Tags=tags))[0] == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("tags?operation=add", b"{}"),
        ("tags?operation=add", b'{"Tags":[]}'),
        ("tags?operation=add", b'{"Tags":{"a":1}}'),
        ("tags?operation=remove", b"{}"),
        ("tags?operation=remove", b'{"TagKeys":[1]}'),
        ("tags?operation=remove", b'{"TagKeys":[]}'),
    ],
)
async def test_wrong_tag_documents_are_refused(faithful: LocalGlacier, path: str, body: bytes) -> None:
    """A document that lacks the tags, or has them in another type, is refused."""
    await send(faithful, "PUT", "/-/vaults/v")
    assert (await send(faithful, "POST", f"/-/vaults/v/{path}", body)).status == 400
