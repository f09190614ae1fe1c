"""``aioglacier jobs ... s3://...``: restores by the keys of their objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_restores_are_listed_shown_and_waited_for(museum: Cli) -> None:
    """A restore that was asked for and not waited for is seen by all three, with its tier and days."""
    museum("upload", "s3://museum/a/", "film", "--storage-class", "DEEP_ARCHIVE")
    museum("upload", "s3://museum/b", "film", "--storage-class", "GLACIER_IR")
    assert "no restores" in museum("jobs", "list", "s3://museum").err
    assert "not restored" in museum("jobs", "show", "s3://museum", "a/film").text
    assert "read at once" in museum("jobs", "show", "s3://museum", "b").text
    museum("download", "s3://museum", "a/film", "copy", "--tier", "Bulk", "--days", "4")
    done = museum("--json", "jobs", "wait", "s3://museum/a", "film").record
    assert (done["status"], done["tier"], done["days"]) == ("Succeeded", "Bulk", 4)
    (listed,) = museum("--json", "jobs", "list", "s3://museum", "--status", "succeeded").records
    assert (listed["key"], listed["tier"], listed["days"], bool(listed["expires"])) == (
        "a/film", "Bulk", 4, True
    )  # fmt: skip
    titles, line = museum("jobs", "list", "s3://museum").text.splitlines()
    assert titles.split() == ["DATE", "(UTC)", "STATUS", "EXPIRES", "KEY"]
    assert line.split()[2:] == ["Succeeded", listed["expires"][:10], "a/film"]
    assert "a/film, Bulk: Succeeded" in museum("jobs", "show", "s3://museum", "a/film").text


def test_commands_for_vaults_name_the_ones_for_buckets(museum: Cli) -> None:
    """An inventory and the output of a job are not there for buckets, and the message says what is."""
    assert "aioglacier list" in museum("inventory", "s3://museum", code=2).err
    assert "aioglacier download" in museum("jobs", "output", "s3://museum", "key", "-", code=2).err
