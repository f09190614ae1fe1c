"""Names of places: what is parsed, what is refused, and the way back to text."""

from __future__ import annotations

import pytest

from aioglacier.core.errors import BucketNameError, ObjectKeyError, VaultNameError
from aioglacier.core.place import Place, parse_place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("photos", Place("photos")),
        ("s3", Place("s3")),
        ("s3://museum", Place("museum", "")),
        ("s3://museum/scans", Place("museum", "scans")),
        ("s3://museum/scans/1907/", Place("museum", "scans/1907/")),
        ("s3://museum//", Place("museum", "/")),
    ],
)
def test_a_place_is_parsed_and_written_back(text: str, place: Place) -> None:
    """A vault and a bucket with a prefix come back as the text that names them."""
    assert parse_place(text) == place
    assert str(place) == text
    assert place.is_bucket == text.startswith("s3://")


def test_a_bucket_without_a_key_has_one_name() -> None:
    """A slash after the bucket changes nothing."""
    assert str(parse_place("s3://museum/")) == "s3://museum"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", VaultNameError),
        ("..", VaultNameError),
        ("my vault", VaultNameError),
        ("s3:/museum", VaultNameError),
        ("glacier://photos", VaultNameError),
        ("museum/scans", VaultNameError),
        ("s3://", BucketNameError),
        ("s3://Museum", BucketNameError),
        ("s3://museum/" + "k" * 1025, ObjectKeyError),
    ],
)
def test_a_text_that_names_no_place_is_refused(text: str, error: type[Exception]) -> None:
    """The error says which kind of name is wrong."""
    with pytest.raises(error):
        parse_place(text)


def test_a_folder_in_a_bucket_ends_with_a_slash() -> None:
    """Keys of another folder that begins with the same letters are not below it."""
    assert parse_place("s3://museum/scans").as_folder() == Place("museum", "scans/")
    assert parse_place("s3://museum").as_folder() == Place("museum", "")
    assert parse_place("photos").as_folder() == Place("photos")
