"""Keys that need no botocore."""

from __future__ import annotations

import re

import pytest

from aioglacier.core.errors import InvalidCredentialsError
from aioglacier.gateway.contract.key_source import Keys
from aioglacier.gateway.credentials.plain_settings import check_keys


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["\n", "\r\n", " ", "\t", "\0", "\u200b", "\x7f"])
@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("env", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")),
        ("explicit", ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")),
        ("sso", ("aws_access_key_id (from sso)", "aws_secret_access_key", "aws_session_token")),
    ],
)
def test_keys_with_characters_that_no_key_has_are_refused_by_name(
    source: str, named: tuple[str, str, str], at: int, wrong: str
) -> None:
    """The message names the setting and does not show its value."""
    values = ["AKIAEXAMPLE", "secret/+=", "token=="]
    values[at] += wrong
    with pytest.raises(InvalidCredentialsError, match=re.escape(named[at])) as caught:
        check_keys(Keys(*values), source)
    assert not any(value.strip() in str(caught.value) for value in values)


def test_keys_without_a_token_are_fine() -> None:
    """Keys without a token pass the check."""
    check_keys(Keys("AKIAEXAMPLE", "secret/+="), "env")
