"""Encryption with age before anything leaves this machine, so that any age program can decrypt it.

``seal`` and ``unseal`` work on content in memory. Streams are pulled from one function and pushed to another,
a MiB at a time. age authenticates each 64 KiB and the end, so ``unseal`` returns exactly what was encrypted.

Recipients are public keys, ``age1...`` or ``ssh-...``. Identities are secret keys: they are read from files
only, never from a command line, and no message repeats the content of such a file. Everything here blocks.
"""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aioglacier.bulk.formats import tar
from aioglacier.core.errors import ConfigurationError, IntegrityError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    from typing_extensions import Buffer

T = TypeVar("T")

#: The value of ``Entry.encryption`` for what is encrypted with age.
AGE: Final = "age"

#: Bytes that encryption adds to a member, about: another header, the header of age, and padding.
SEALING: Final = 1024

#: Bytes of a stream that pass at once.
BLOCK: Final = 1024 * 1024

#: The most bytes read from a file of keys.
_LARGEST_FILE: Final = 1024 * 1024

_SECRETS: Final = ("AGE-SECRET-KEY-", "AGE-PLUGIN-", "-----BEGIN")
_NO_MATCH: Final = "No matching keys"


class Recipients:
    """The public keys to encrypt to; each of their owners can decrypt. Safe in any thread.

    Attributes:
        names: The public keys, as they were given.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        self._keys = [_recipient(name) for name in self.names]

    def seal(self, content: bytes) -> bytes:
        """Return encrypted content."""
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
    """Secret keys; what is encrypted to one of them can be decrypted. Safe in any thread.

    Attributes:
        names: Their public keys; ``None`` if some are not known.
    """

    def __init__(self, keys: Sequence[Any], names: frozenset[str] | None = None) -> None:
        self.names = names
        self._keys = list(keys)

    def __repr__(self) -> str:
        return f"<Identities {len(self._keys)}>"

    def fit(self, recipients: Sequence[str]) -> bool:
        """Return whether one of the identities may belong to one of these recipients."""
        if self.names is None or any(name.startswith("ssh-") for name in recipients):
            return True
        return not self.names.isdisjoint(recipients)

    def unseal(self, sealed: bytes) -> bytes:
        """Return decrypted content.

        Raises:
            ConfigurationError: The content was encrypted to other recipients.
            IntegrityError: The content is damaged.
        """
        module = _module()
        try:
            content: bytes = module.decrypt(sealed, self._keys)
        except module.DecryptError as error:
            raise _refusal(error) from error
        return content

    def unseal_stream(self, take: Callable[[], bytes], give: Callable[[bytes], object]) -> None:
        """Decrypt a stream; see ``Recipients.seal_stream``.

        All bytes that ``give`` gets are authentic, but only a return without an error means that the end has
        come.

        Raises:
            ConfigurationError: The stream was encrypted to other recipients. ``give`` got nothing.
            IntegrityError: The stream is damaged or ends early.
        """
        error = _pass(_module().decrypt_io, take, give, self._keys)
        if error is not None:
            raise _refusal(error) from error


def sealing_encoder(
    recipients: Recipients, inner: Callable[[bytes], bytes] | None, numbers: Iterator[int]
) -> Callable[[bytes], bytes]:
    """Return an encoder of members of a bundle that hides their names and contents.

    A member becomes a file ``members/NUMBER.age``, which holds the original member, encoded by ``inner`` and
    encrypted.
    """

    def encode(member: bytes) -> bytes:
        content = inner(member) if inner is not None else member
        return sealed_member(b"members/%09d.age" % next(numbers), content, recipients)

    return encode


def sealed_member(name: bytes, content: bytes, recipients: Recipients) -> bytes:
    """Return a tar member with encrypted content; only its size is readable."""
    sealed = recipients.seal(content)
    return b"".join((tar.member_header(name, size=len(sealed), mode=0o600), sealed, tar.padding(len(sealed))))


def unseal_member(raw: bytes, identities: Identities | None) -> bytes:
    """Return the decrypted content of a member that ``sealed_member`` made.

    Raises:
        ConfigurationError: There is no identity, or none that fits.
        IntegrityError: The member is damaged.
    """
    if identities is None:
        raise no_identity()
    return identities.unseal(tar.content_of(raw))


def no_identity() -> ConfigurationError:
    """Return the error for a missing secret key."""
    return ConfigurationError("it is encrypted; give the file of a secret key that opens it with --identity")


# --- keys


def read_recipients(given: Sequence[str], files: Sequence[str | os.PathLike[str]] = ()) -> Recipients | None:
    """Return the given recipients and those in files, one a line; ``None`` if there are none.

    Raises:
        ConfigurationError: A recipient is malformed, or a file cannot be read or has no recipients.
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
    """Return the identities in files: lines of age, or a private key of OpenSSH; ``None`` without files.

    Raises:
        ConfigurationError: A file cannot be read, has no identity, or has one behind a passphrase.
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
            names = None  # pyrage does not derive the public key
            continue
        lines = list(_lines(text))
        if not lines:
            raise ConfigurationError(f"{str(file)!r} has no identity in it")
        for number, line in lines:
            try:
                key = module.x25519.Identity.from_str(line)
            except module.IdentityError:
                # Neither the message nor its cause may repeat the line.
                raise ConfigurationError(f"line {number} of {str(file)!r} is no identity of age") from None
            keys.append(key)
            if names is not None:
                names.add(str(key.to_public()))
    return Identities(keys, frozenset(names) if names is not None else None)


def _recipient(name: str, where: str = "") -> Any:
    module = _module()
    if name.upper().startswith(_SECRETS):
        raise ConfigurationError(
            f"the recipient{where} is a secret key; a recipient is a public one, as age-keygen -y prints it. "
            "Others may have seen it on the command line: make a new one"
        )
    try:
        return (module.ssh if name.startswith("ssh-") else module.x25519).Recipient.from_str(name)
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
    """Yield the lines that are neither empty nor comments, with their numbers."""
    for number, line in enumerate(text.decode(errors="replace").splitlines(), 1):
        if (stripped := line.strip()) and not stripped.startswith("#"):
            yield number, stripped


# --- streams


class _Ends(io.RawIOBase):
    """The raw file that age reads from and writes to; ``io`` turns its small pieces into blocks."""

    def __init__(self, take: Callable[[], bytes], give: Callable[[bytes], object]) -> None:
        self.failure: BaseException | None = None  # of ``take`` or ``give``
        self._take = take
        self._give = give
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        target = memoryview(buffer)
        if not self._left:
            self._left = memoryview(self._call(self._take))
        size = min(len(target), len(self._left))
        target[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def write(self, piece: Buffer, /) -> int:
        block = bytes(piece)
        if self.failure is None:  # ``io`` tries again to write what is left
            self._call(partial(self._give, block))
        return len(block)

    def _call(self, function: Callable[[], T]) -> T:
        try:
            return function()
        except BaseException as error:
            self.failure = error
            raise


def _pass(
    through: Callable[[io.BufferedIOBase, io.BufferedIOBase, list[Any]], object],
    take: Callable[[], bytes],
    give: Callable[[bytes], object],
    keys: list[Any],
) -> Exception | None:
    """Pass a stream through the library; return its error, or raise the error of ``take`` or ``give``."""
    ends = _Ends(take, give)
    source, target = io.BufferedReader(ends, BLOCK), io.BufferedWriter(ends, BLOCK)
    failed: Exception | None = None
    try:
        through(source, target, keys)
    except Exception as error:  # noqa: BLE001  # of several kinds; those of its streams arrive as text
        failed = error
    try:
        target.detach()  # gives the last block
    finally:
        source.detach()
        if ends.failure is not None:
            raise ends.failure from None
    return failed


def _refusal(error: Exception) -> ConfigurationError | IntegrityError:
    if _NO_MATCH in str(error):
        return ConfigurationError("it was encrypted to others: none of the identities opens it")
    return IntegrityError(
        f"the encrypted data cannot be decrypted: {error}; they are damaged, cut off or not encrypted at all",
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
