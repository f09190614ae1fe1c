"""The root of the errors: the facts in its sentence, and the name of the place that a block adds."""

from __future__ import annotations

import pytest

from aioglacier.core import errors


def test_facts_in_the_sentence_are_not_repeated() -> None:
    """A vault or upload named in the sentence is not appended, and a single attempt is not mentioned."""
    error = errors.WriterClosedError("the writer of upload-7 to photos-vault was aborted")
    error.vault, error.upload_id, error.attempts = "photos-vault", "upload-7", 1
    assert str(error) == error.message


def test_a_name_that_is_part_of_another_word_is_said() -> None:
    """A vault "a" is not named by a sentence about an archive, a file below it, or a file a.tar."""
    for sentence in ("archive of a.tar is gone", "cannot read /a/b", "as-a-rule refused"):
        error = errors.GlacierError(sentence)
        error.vault = "a"
        assert str(error) == f"{sentence} (vault a)"
    error = errors.GlacierError("no vault 'a'.")
    error.vault = "a"
    assert str(error) == error.message


def test_an_error_without_arguments_still_has_a_message() -> None:
    """A bare class names itself."""
    assert str(errors.WriterBusyError()) == errors.WriterBusyError().message == "WriterBusyError"


def test_an_error_that_leaves_the_block_names_the_vault() -> None:
    """An error without a vault gets the one of the block."""
    with pytest.raises(errors.GlacierError) as caught, errors.naming(vault="photos"):
        raise errors.EmptyArchiveError("nothing was written")
    assert caught.value.vault == "photos"


def test_an_error_that_names_a_vault_keeps_it() -> None:
    """The innermost block knows best which vault an error is about."""
    with (
        pytest.raises(errors.GlacierError) as caught,
        errors.naming(vault="photos"),
        errors.naming(vault="films"),
    ):
        raise errors.EmptyArchiveError("nothing was written")
    assert caught.value.vault == "films"


def test_other_errors_pass_through() -> None:
    """An error that is not of the package is left as it is."""
    with pytest.raises(ZeroDivisionError), errors.naming(vault="photos"):
        _ = 1 / 0
