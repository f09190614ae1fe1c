"""Streams of several archives on record, in either database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.catalog import ArchiveState
from tests.catalog.conftest import FILMS, PHOTOS, archive

if TYPE_CHECKING:
    from aioglacier.catalog import Catalog


async def test_the_life_of_a_stream(catalog: Catalog) -> None:
    """It is open until there is a manifest, and then its pieces are found by that, in order."""
    streams = catalog.streams
    stream = await streams.begin(PHOTOS, "tape 7")
    assert await streams.find(PHOTOS, stream.nonce) == stream
    assert await streams.find(FILMS, stream.nonce) is None
    assert await streams.list_open(PHOTOS) == [stream]
    assert await streams.list_open(FILMS) == []
    for number in (1, 2, 3):
        await catalog.archives.record(PHOTOS, archive(number))
    await streams.record_piece(stream, archive(2).id, 0)
    await streams.record_piece(stream, archive(1).id, 1)
    assert await streams.find_pieces(PHOTOS, archive(3).id) == []
    await streams.record_completed(stream, archive(3).id, 10)
    assert await streams.find_pieces(PHOTOS, archive(3).id) == [archive(2), archive(1)]
    assert await streams.find_pieces(FILMS, archive(3).id) == []
    assert await streams.list_open(PHOTOS) == []
    found = await streams.find(PHOTOS, stream.nonce)
    assert found is not None
    assert (found.state, found.manifest) == ("completed", archive(3).id)


async def test_streams_are_apart(catalog: Catalog) -> None:
    """Each has a name and pieces of its own. One that lacks a piece is not read from the record."""
    one, other = [await catalog.streams.begin(PHOTOS, "same") for _ in range(2)]
    assert one.nonce != other.nonce
    for number in (1, 2, 3, 4):
        await catalog.archives.record(PHOTOS, archive(number))
    for stream, piece, tie in ((one, 1, 2), (other, 3, 4)):
        await catalog.streams.record_piece(stream, archive(piece).id, 0)
        await catalog.streams.record_completed(stream, archive(tie).id, 5)
    assert await catalog.streams.find_pieces(PHOTOS, archive(2).id) == [archive(1)]
    assert await catalog.streams.find_pieces(PHOTOS, archive(4).id) == [archive(3)]
    await catalog.archives.record_state(PHOTOS, archive(3).id, ArchiveState.DELETED)
    assert await catalog.streams.find_pieces(PHOTOS, archive(4).id) == []
    await catalog.archives.record(PHOTOS, archive(5))
    await catalog.streams.record_piece(other, archive(5).id, 0)
    assert await catalog.streams.find_pieces(PHOTOS, archive(4).id) == [archive(5)]


async def test_the_latest_upload_of_a_stream_is_found_by_its_description(catalog: Catalog) -> None:
    """One of a file is not selected, nor one to another vault."""
    uploads = catalog.uploads
    await uploads.record_intent(PHOTOS, part_size=1 << 20, description="a")
    last = await uploads.record_intent(PHOTOS, part_size=1 << 20, description="a")
    await uploads.record_intent(PHOTOS, part_size=1 << 20, description="a", source="/file", size=5)
    await uploads.record_intent(FILMS, part_size=1 << 20, description="a")
    assert await uploads.find_described(PHOTOS, "a") == last
    assert await uploads.find_described(PHOTOS, "b") is None
