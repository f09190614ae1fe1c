"""Every value comes back from the database as it was."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from aioglacier.catalog import Catalog, VaultKey
from aioglacier.catalog.storage.columns import escape, unescape
from aioglacier.core.models import Archive, ArchiveId
from aioglacier.files.reading import FileIdentity
from tests.catalog.conftest import PHOTOS

#: Anything a Python string can be, with what is awkward more often.
TEXTS = st.text(st.characters() | st.sampled_from("\\\x00ux0\ud800\udce9\udfff\n'\"%;é"))

#: Any name a file can have.
PATHS = st.binary().map(lambda name: os.fsdecode(b"/" + name.replace(b"\0", b"")))


@given(TEXTS)
def test_escaped_text_can_be_stored_and_comes_back(text: str) -> None:
    """It is UTF-8 without NUL, which both databases take, and nothing is lost."""
    stored = escape(text)
    assert b"\0" not in stored.encode("utf-8")
    assert unescape(stored) == text


@given(TEXTS, TEXTS)
def test_different_texts_are_stored_differently(one: str, other: str) -> None:
    """So a search for one never finds the other."""
    assert (escape(one) == escape(other)) == (one == other)


@pytest.mark.parametrize("text", ["", "november, raw", "Übersicht 2026", "日本語\n"])
def test_plain_text_is_stored_as_itself(text: str) -> None:
    """Any database shell shows it as it is."""
    assert escape(text) == text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    source=PATHS,
    description=TEXTS,
    outcome=TEXTS,
    identity=st.builds(
        FileIdentity,
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**63 - 1),
        st.integers(-(2**66), 2**66),
        st.integers(-(2**66), 2**66),
    ),
    size=st.none() | st.integers(0, 10_000 * 2**32),
    part_size=st.integers(1, 2**32),
)
async def test_an_upload_comes_back_as_it_was(
    catalog: Catalog,
    source: str,
    description: str,
    outcome: str,
    identity: FileIdentity,
    size: int | None,
    part_size: int,
) -> None:
    """With any name of its source, any description and any dates."""
    made = await catalog.uploads.record_intent(
        PHOTOS, part_size=part_size, description=description, size=size, source=source, identity=identity
    )
    assert (made.source, made.description, made.identity) == (source, description, identity)
    assert (made.size, made.part_size) == (size, part_size)
    assert await catalog.uploads.find_unfinished(PHOTOS, source) == made
    assert await catalog.uploads.get(made.number) == made
    ended = await catalog.uploads.record_failed(made, outcome)
    assert ended.outcome == outcome
    assert await catalog.uploads.find_unfinished(PHOTOS, source) is None


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    archives=st.lists(
        st.builds(
            Archive,
            id=st.text("-_aZ9", min_size=1, max_size=255).map(ArchiveId),
            vault=st.just("photos"),
            size=st.integers(0, 10_000 * 2**32),
            tree_hash=st.binary(min_size=32, max_size=32),
            description=TEXTS,
            created=st.datetimes(timezones=st.just(UTC)),
        ),
        unique_by=lambda archive: archive.id,
    )
)
async def test_an_inventory_comes_back_as_it_was(catalog: Catalog, archives: list[Archive]) -> None:
    """Each archive equals the one that was merged, in the order of the inventory."""
    key = VaultKey("photos", f"region-{os.urandom(8).hex()}")  # empty, whatever came before
    result = await catalog.archives.merge_inventory(
        key, archives, inventoried=datetime(2026, 11, 22, tzinfo=UTC)
    )
    assert (result.added, result.confirmed, result.conflicting) == (len(archives), 0, 0)
    assert [record.archive async for record in catalog.archives.list_vault(key)] == archives


async def test_text_in_the_form_of_sql_is_data(catalog: Catalog) -> None:
    """Names are parameters, never part of a statement."""
    name = "/x'); DROP TABLE uploads; --"
    await catalog.uploads.record_intent(PHOTOS, part_size=1, source=name, description=name)
    found = await catalog.uploads.find_unfinished(PHOTOS, name)
    assert found is not None
    assert (found.source, found.description) == (name, name)
