"""Encryption before anything leaves this machine, by age, so that any age program opens what is stored.

Two ways: ``seal`` and ``unseal`` for what is held in memory, and streams, which are pulled from one function
and pushed to another, a MiB at a time. What comes out of ``unseal`` is what was sealed: age authenticates
each 64 KiB, and that nothing is missing at the end.

Recipients are public keys, ``age1...`` or ``ssh-...``. Identities are secret: they are read from files only,
never from a command line, and no message repeats what was in such a file. It blocks.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from aioglacier.bulk.formats import tar
from aioglacier.core.errors import ConfigurationError, IntegrityError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    from aioglacier.bulk.formats.coder import Coder

#: What ``Entry.encryption`` says of what is encrypted so.
AGE: Final = "age"

#: Bytes that a member of a bundle grows by, about: another header, what age puts in front, and padding.
SEALING: Final = 1024

#: Of a stream, taken and given at once.
BLOCK: Final = 1024 * 1024

#: No file of keys is longer.
_LARGEST_FILE: Final = 1024 * 1024

_SECRETS: Final = ("AGE-SECRET-KEY-", "AGE-PLUGIN-", "-----BEGIN")
_NO_MATCH: Final = "No matching keys"


class Recipients:
    """Whom something is encrypted to: each of them can read it. For any thread.

    Attributes:
        names: The public keys, as they were given.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        self._keys = [_recipient(name) for name in self.names]

    def seal(self, content: bytes) -> bytes:
        """Encrypt what is in memory."""
        sealed: bytes = _module().encrypt(content, self._keys)
        return sealed

    def seal_stream(self, take: Callable[[], bytes], give: Callable[[bytes], object]) -> None:
        """Encrypt a stream.

        Args:
            take: Returns the next bytes, none at the end.
            give: Is called with about a MiB at a time, in order.
        """
        error = _pass(_module().encrypt_io, take, give, self._keys)
        if error is not None:
            raise error


class Identities:
    """Secret keys: what is encrypted to one of them can be read. For any thread.

    Attributes:
        names: The public keys that belong to them; ``None`` if some are not known.
    """

    def __init__(self, keys: Sequence[Any], names: frozenset[str] | None = None) -> None:
        self.names = names
        self._keys = list(keys)

    def __repr__(self) -> str:
        return f"<Identities {len(self._keys)}>"

    def fit(self, recipients: Sequence[str]) -> bool:
        """Whether one may be the identity of one of these recipients."""
        if self.names is None or any(name.startswith("ssh-") for name in recipients):
            return True
        return not self.names.isdisjoint(recipients)

    def unseal(self, sealed: bytes) -> bytes:
        """Decrypt what is in memory.

        Raises:
            ConfigurationError: It was encrypted to others.
            IntegrityError: It is not what was encrypted.
        """
        module = _module()
        try:
            content: bytes = module.decrypt(sealed, self._keys)
        except module.DecryptError as error:
            raise _refusal(error) from error
        return content

    def unseal_stream(self, take: Callable[[], bytes], give: Callable[[bytes], object]) -> None:
        """Decrypt a stream; see ``Recipients.seal_stream``. What was given is right, and may be too little.

        Raises:
            ConfigurationError: It was encrypted to others. Nothing was given.
            IntegrityError: It is not what was encrypted, or ends early.
        """
        error = _pass(_module().decrypt_io, take, give, self._keys)
        if error is not None:
            raise _refusal(error) from error


class SealingCoder:
    """Makes members of a bundle that show no name and no content.

    A member is a file ``members/NUMBER.age``; encrypted in it is the member as it would have been.
    """

    def __init__(self, recipients: Recipients, inner: Coder | None, numbers: Iterator[int]) -> None:
        self._recipients = recipients
        self._inner = inner
        self._numbers = numbers

    def encode(self, member: bytes) -> bytes:
        """See ``coder.Coder``."""
        if self._inner is not None:
            member = self._inner.encode(member)
        return sealed_member(b"members/%09d.age" % next(self._numbers), member, self._recipients)


def sealed_member(name: bytes, content: bytes, recipients: Recipients) -> bytes:
    """A tar member with encrypted content, and nothing else to be seen than its size."""
    sealed = recipients.seal(content)
    return b"".join((tar.member_header(name, size=len(sealed), mode=0o600), sealed, tar.padding(len(sealed))))


def unseal_member(raw: bytes, identities: Identities | None) -> bytes:
    """Return the content of such a member.

    Raises:
        ConfigurationError: There is no identity, or none that fits.
        IntegrityError: It is not what was encrypted.
    """
    if identities is None:
        raise no_identity()
    return identities.unseal(tar.content_of(raw))


def no_identity() -> ConfigurationError:
    """Return the error for a missing secret key."""
    return ConfigurationError("it is encrypted; give the file of a secret key that opens it with --identity")


def numbers() -> Iterator[int]:
    """Names for members, each once; ``next`` may be called from any thread."""
    return itertools.count(1)


# --- keys


def read_recipients(given: Sequence[str], files: Sequence[str | os.PathLike[str]] = ()) -> Recipients | None:
    """The recipients that were given, and those in files, one a line; ``None`` if there are none at all.

    Raises:
        ConfigurationError: One is no recipient, or a file cannot be read, or has none.
    """
    if not given and not files:
        return None
    names = list(given)
    for file in files:
        found = [line for _, line in _lines(_read(file))]
        if not found:
            raise ConfigurationError(f"{str(file)!r} has no recipients in it")
        for line in found:
            _recipient(line, f" in {str(file)!r}")
        names += found
    return Recipients(names)


def read_identities(files: Sequence[str | os.PathLike[str]]) -> Identities | None:
    """The identities in files: of age, one a line, or a private key of OpenSSH; ``None`` without files.

    Raises:
        ConfigurationError: A file cannot be read, or has no identity in it, or one behind a passphrase.
    """
    if not files:
        return None
    module = _module()
    keys: list[Any] = []
    names: set[str] | None = set()
    for file in files:
        text = _read(file)
        if text.startswith(b"age-encryption.org/"):
            raise ConfigurationError(f"{str(file)!r} is behind a passphrase; decrypt it to a file first")
        if text.startswith(b"-----BEGIN"):
            try:
                keys.append(module.ssh.Identity.from_buffer(text))
            except module.IdentityError as error:
                raise ConfigurationError(
                    f"{str(file)!r} is no private key of OpenSSH that can be used here"
                ) from error
            names = None
            continue
        found = 0
        for number, line in _lines(text):
            try:
                key = module.x25519.Identity.from_str(line)
            except module.IdentityError:
                # Nothing of the line may be in a message, nor in what a message was caused by.
                raise ConfigurationError(f"line {number} of {str(file)!r} is no identity of age") from None
            keys.append(key)
            found += 1
            if names is not None:
                names.add(str(key.to_public()))
        if not found:
            raise ConfigurationError(f"{str(file)!r} has no identity in it")
    return Identities(keys, frozenset(names) if names is not None else None)


def _recipient(name: str, where: str = "") -> Any:
    module = _module()
    if name.upper().startswith(_SECRETS):
        raise ConfigurationError(
            f"what was given as a recipient{where} is a secret key; a recipient is a public one, as "
            "age-keygen -y prints it. Others may have seen it on the command line: make a new one"
        )
    try:
        if name.startswith("ssh-"):
            return module.ssh.Recipient.from_str(name)
        return module.x25519.Recipient.from_str(name)
    except module.RecipientError as error:
        raise ConfigurationError(
            f"{name!r}{where} is no recipient; one is age1... or a public key of OpenSSH: {error}"
        ) from error


def _read(file: str | os.PathLike[str]) -> bytes:
    try:
        with open(file, "rb") as opened:  # noqa: PTH123  # of any bytes
            return opened.read(_LARGEST_FILE)
    except OSError as error:
        raise ConfigurationError(f"{str(file)!r} cannot be read: {error.strerror}") from error


def _lines(text: bytes) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers."""
    for number, line in enumerate(text.decode(errors="replace").splitlines(), 1):
        if (stripped := line.strip()) and not stripped.startswith("#"):
            yield number, stripped


# --- streams


class _Inlet:
    """The reading end of age: cuts blocks into the small pieces that it asks for."""

    def __init__(self, take: Callable[[], bytes]) -> None:
        self.failure: BaseException | None = None
        self._take = take
        self._block = memoryview(b"")

    def read(self, size: int) -> bytes:
        """See ``io.RawIOBase.read``."""
        if not self._block:
            try:
                self._block = memoryview(self._take())
            except BaseException as error:
                self.failure = error
                raise
        piece = bytes(self._block[:size])
        self._block = self._block[size:]
        return piece


class _Outlet:
    """The writing end of age: joins its small pieces into blocks."""

    def __init__(self, give: Callable[[bytes], object]) -> None:
        self.failure: BaseException | None = None
        self._give = give
        self._waiting = bytearray()

    def write(self, piece: bytes) -> int:
        """See ``io.RawIOBase.write``."""
        self._waiting += piece
        if len(self._waiting) >= BLOCK:
            self.give_all()
        return len(piece)

    def flush(self) -> None:
        """See ``io.RawIOBase.flush``; blocks leave when they are full."""

    def give_all(self) -> None:
        """Give what is waiting."""
        if not self._waiting:
            return
        block, self._waiting = bytes(self._waiting), bytearray()
        try:
            self._give(block)
        except BaseException as error:
            self.failure = error
            raise


def _pass(
    through: Callable[[_Inlet, _Outlet, list[Any]], object],
    take: Callable[[], bytes],
    give: Callable[[bytes], object],
    keys: list[Any],
) -> Exception | None:
    """Pass a stream through the library; what it says against it, while what fails at either end is raised.

    It says so in several ways, ``OSError`` among them, and makes text of what its streams raise.
    """
    inlet, outlet = _Inlet(take), _Outlet(give)
    try:
        through(inlet, outlet, keys)
    except Exception as error:  # noqa: BLE001  # handed on
        failure = inlet.failure or outlet.failure
        if failure is not None:
            raise failure from None
        outlet.give_all()
        return error
    outlet.give_all()
    return None


def _refusal(error: Exception) -> ConfigurationError | IntegrityError:
    if _NO_MATCH in str(error):
        return ConfigurationError("it was encrypted to others: none of the identities opens it")
    return IntegrityError(
        f"what is encrypted is not as it was made: {error}; it is damaged, or cut off, or not encrypted at "
        "all",
        expected=b"",
        actual=b"",
    )


def _module() -> ModuleType:
    try:
        import pyrage  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra; it has no types
    except ImportError as error:
        raise ConfigurationError(
            "encryption needs the package pyrage: pip install 'aioglacier[encryption]'"
        ) from error
    module: ModuleType = pyrage
    return module
