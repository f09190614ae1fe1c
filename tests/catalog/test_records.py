"""The key of a vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import VaultKey

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://me:secret@host:1/", "http://host:1/"),
        ("http://me@pass@host", "http://host"),
        ("http://host/a@b", "http://host/a@b"),
        ("local:/home/me@here", "local:/home/me@here"),
        ("", ""),
    ],
)
def test_a_key_keeps_no_password(given: str, kept: str) -> None:
    """A user name and a password in an endpoint are not recorded; an "@" in a path is."""
    assert VaultKey("photos", "eu-west-1", endpoint=given).endpoint == kept


@pytest.mark.parametrize(
    ("recorded", "now", "may"),
    [
        ("http://host:1", "http://host:2", True),
        ("http://host:1", "http://other:1", False),
        ("", "http://host:1", False),
        ("http://host:1", "", False),
        ("http://host:1", "local:/there", False),
    ],
)
def test_a_server_may_have_another_port(recorded: str, now: str, may: bool) -> None:
    """The same host with another port may hold the same vaults; another host never does."""
    assert VaultKey("photos", "eu-west-1", endpoint=recorded).may_have_moved_to(now) is may


def test_a_local_glacier_has_moved_only_from_a_folder_that_is_gone(tmp_path: Path) -> None:
    """A folder that still exists keeps its own vaults."""
    old = tmp_path / "old"
    key = VaultKey("photos", "eu-west-1", endpoint=f"local:{old}")
    assert key.may_have_moved_to("local:/new")
    old.mkdir()
    assert not key.may_have_moved_to("local:/new")


def test_a_key_names_its_endpoint_only_where_it_is_not_awss() -> None:
    """A message shows the endpoint of a vault that is elsewhere."""
    assert str(VaultKey("photos", "eu-west-1")) == "vault photos of account - in eu-west-1"
    assert str(VaultKey("photos", "eu-west-1", endpoint="http://host")).endswith(" at http://host")
