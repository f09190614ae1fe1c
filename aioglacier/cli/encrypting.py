"""Options of encryption: recipients are named, identities are in files, so no secret is on a command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

RECIPIENT: Final = click.option(
    "--recipient",
    "recipients",
    multiple=True,
    metavar="KEY",
    help="Encrypt with age, to this public key (age1..., or one of OpenSSH). Needs 'aioglacier[encryption]'.",
)
RECIPIENTS_FILE: Final = click.option(
    "--recipients-file",
    "recipient_files",
    multiple=True,
    metavar="FILE",
    help="Encrypt to the public keys in FILE, one a line.",
)
IDENTITY: Final = click.option(
    "--identity",
    "identity_files",
    multiple=True,
    metavar="FILE",
    help="Decrypt with the secret keys in FILE, as age-keygen makes it, or a private key of OpenSSH.",
)


def recipient_words(recipients: Sequence[str], files: Sequence[str]) -> list[str]:
    """The options again, for a command that goes on."""
    return [
        *(f"--recipient={name}" for name in recipients),
        *(f"--recipients-file={name}" for name in files),
    ]


def identity_words(files: Sequence[str]) -> list[str]:
    """Likewise of identities."""
    return [f"--identity={name}" for name in files]
