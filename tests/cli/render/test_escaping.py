"""Text made safe to print."""

from __future__ import annotations

import pytest

from aioglacier.cli.render.escaping import escape, redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("film.mkv", "film.mkv"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("two\nlines", r"two\nlines"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", r"\u202egpj.exe"),
        ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"),
        ("bad\udcff", r"bad\udcff"),
        ("\x9b2J", r"\x9b2J"),
    ],
)
def test_what_commands_a_terminal_is_escaped(text: str, shown: str) -> None:
    """A name from a stranger is shown, never obeyed."""
    assert escape(text) == shown


@pytest.mark.parametrize(
    "secret",
    [
        "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=deadbeefdeadbeefdeadbeef",
        "Signature:\ndeadbeefdeadbeefdeadbeef",
        "x-amz-security-token:deadbeefdeadbeefdeadbeef/+==",
        "{'X-Amz-Security-Token': b'deadbeefdeadbeefdeadbeef'}",
        "aws_secret_access_key = deadbeefdeadbeefdeadbeef",
        "http://user:deadbeefdeadbeefdeadbeef@proxy:3128",
        "the environment's own deadbeefdeadbeefdeadbeef",
    ],
)
def test_secrets_are_hidden(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures, tokens, keys and passwords do not reach a log."""
    if "environment" in secret:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "deadbeefdeadbeefdeadbeef")
    hidden = redact(secret)
    assert "deadbeef" not in hidden
    assert "[hidden]" in hidden


def test_the_password_of_a_hint_is_not_hidden() -> None:
    """A message that shows the form of a URL can be read."""
    hint = "give postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    assert redact(hint) == hint
