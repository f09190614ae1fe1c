"""Text made safe to print: a description may hold escapes that command a terminal."""

from __future__ import annotations

import os
import re
from typing import Final

_SECRET_NAMES: Final = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")

#: A secret, or something made from one, follows each of these words.
_SECRETS: Final = re.compile(
    r"""(?ix)
    ( signature [=:]\s* | x-amz-security-token ['":=\s,b]+ | x-amz-signature [=:]\s*
    | (?:aws_?)?(?:secret_?access_?key|session_?token) ['":=\s]+ )
    [A-Za-z0-9/+=%_-]{16,}
    """
)
_PASSWORD: Final = re.compile(r"(://[^/@:\s'\"]*:)(?!PASSWORD@)[^/@\s'\"]+@")  # not the word in a hint
_HIDDEN: Final = "[hidden]"


def escape(text: str) -> str:
    r"""Return the text on one line: characters that do not print become ``\x1b`` or ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "backslashreplace").decode("ascii")
        for each in text
    )


def redact(text: str) -> str:
    """Return the text without secret keys, session tokens, signatures, and passwords in URLs."""
    for name in _SECRET_NAMES:
        secret = os.environ.get(name, "")
        if len(secret) >= 8:
            text = text.replace(secret, _HIDDEN)
    text = _SECRETS.sub(rf"\1{_HIDDEN}", text)
    return _PASSWORD.sub(rf"\1{_HIDDEN}@", text)
