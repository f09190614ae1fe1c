"""The folders that are kept in vaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.catalog.conftest import FILMS, PHOTOS

if TYPE_CHECKING:
    from aioglacier.catalog import Catalog


async def test_two_machines_have_two_folders_at_one_path(file_catalog: Catalog) -> None:
    """Each machine finds its own folder, and both are listed."""
    trees = file_catalog.trees
    here = await trees.open(PHOTOS, "/home", host="here", owner="me")
    there = await trees.open(PHOTOS, "/home", host="there", owner="me")
    assert here.identity != there.identity
    assert await trees.open(PHOTOS, "/home", host="here", owner="you") == here
    assert await trees.find(PHOTOS, "/home", "there") == there
    assert await trees.find(PHOTOS, "/home", "elsewhere") is None
    assert await trees.list(PHOTOS) == [here, there]
    assert await trees.list(FILMS) == []


async def test_a_folder_without_a_machine_belongs_to_the_first_that_opens_it(file_catalog: Catalog) -> None:
    """An old catalog did not keep the machine; its own folder is preferred once there is one."""
    trees = file_catalog.trees
    old = await trees.adopt(PHOTOS, "1" * 32, "/home", host="", owner="")
    assert await trees.find(PHOTOS, "/home", "here") == old
    mine = await trees.open(PHOTOS, "/home", host="here", owner="me")
    assert (mine.number, mine.host, mine.owner) == (old.number, "here", "me")
    assert await trees.find(PHOTOS, "/home", "there") is None


@pytest.mark.parametrize("hosts", [("", "here"), ("here", "")])
async def test_a_folder_of_this_machine_comes_before_one_of_no_machine(
    file_catalog: Catalog, hosts: tuple[str, str]
) -> None:
    """The order in which they were recorded does not matter."""
    trees = file_catalog.trees
    made = {
        host: await trees.adopt(PHOTOS, str(at) * 32, "/home", host=host, owner=f"owner of {host}")
        for at, host in enumerate(hosts)
    }
    assert await trees.find(PHOTOS, "/home", "here") == made["here"]
    assert await trees.find(PHOTOS, "/home", "there") == made[""]
    assert {each.host: each.owner for each in await trees.list(PHOTOS)} == {
        "": "owner of ",
        "here": "owner of here",
    }


async def test_a_folder_is_adopted_once(file_catalog: Catalog) -> None:
    """The identity decides: a second call returns the first record, wherever the folder is now."""
    trees = file_catalog.trees
    first = await trees.adopt(PHOTOS, "2" * 32, "/old", host="here", owner="me")
    assert await trees.adopt(PHOTOS, "2" * 32, "/new", host="there", owner="you") == first
    assert await trees.adopt(PHOTOS, "3" * 32, "/old", host="here", owner="me") != first


async def test_a_path_that_is_not_utf_8_comes_back(file_catalog: Catalog) -> None:
    """The root is found by the same bytes."""
    root = b"/home/\xff".decode("utf-8", "surrogateescape")
    made = await file_catalog.trees.open(PHOTOS, root, host="here", owner="me")
    assert (await file_catalog.trees.find(PHOTOS, root, "here")) == made
    assert made.root == root
