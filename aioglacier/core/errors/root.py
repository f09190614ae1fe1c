"""The root of the tree of errors, and the one place that writes the place's name into them."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class GlacierError(Exception):
    """The root of all errors of this library.

    Attributes:
        vault: The vault's name.
        archive_id: The archive.
        job_id: The job.
        bucket: The S3 bucket's name.
        key: The S3 object's key.
        file: The local file that was read or written.
        upload_id: The multipart upload that was left open; ``Vault.resume`` continues it.
        sent: How many bytes of that upload the service has acknowledged.
        attempts: The number of attempts.
        elapsed_seconds: From the first attempt to the last.
    """

    vault: str | None = None
    archive_id: str | None = None
    job_id: str | None = None
    bucket: str | None = None
    key: str | None = None
    file: str | None = None
    upload_id: str | None = None
    sent: int | None = None
    attempts: int | None = None
    elapsed_seconds: float | None = None

    @property
    def message(self) -> str:
        """The sentence alone, without the facts that were added on the way up."""
        return str(self.args[0]) if self.args else type(self).__name__

    def add_facts(self, facts: Mapping[str, Any]) -> None:
        """Set attributes that are not set yet."""
        for name, value in facts.items():
            if getattr(self, name) is None:
                setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the facts, for errors that come from another process: constructors take keywords."""
        return _rebuild, (type(self), self.args), self.__dict__

    def __str__(self) -> str:
        return self.message + self._circumstances()

    def _circumstances(self) -> str:
        named = {
            "file": self.file,
            "vault": self.vault,
            "archive": self.archive_id,
            "job": self.job_id,
            "bucket": self.bucket,
            "key": self.key,
            "upload": self.upload_id,
        }
        facts = [
            f"{noun} {value}" for noun, value in named.items() if value and not _says(self.message, value)
        ]
        if self.sent is not None:
            facts.append(f"{self.sent} bytes are safe at the service")
        if self.attempts is not None and self.attempts > 1:
            facts.append(f"{self.attempts} attempts in {self.elapsed_seconds or 0:.0f} s")
        facts = [fact for fact in facts if fact not in self.message]
        return f" ({', '.join(facts)})" if facts else ""


def _says(sentence: str, name: str) -> bool:
    """Return whether a sentence has a name as a word: a vault "a" is not named by "archive a.tar"."""
    return re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w/-]|\.\w)", sentence) is not None


def _rebuild(class_: type[GlacierError], args: tuple[Any, ...]) -> GlacierError:
    """Return an error whose attributes are set afterwards."""
    error = class_.__new__(class_, *args)
    error.args = args
    return error


@contextmanager
def naming(*, vault: str | None = None, bucket: str | None = None, key: str | None = None) -> Iterator[None]:
    """Set the place on every error that leaves the block without one."""
    try:
        yield
    except GlacierError as error:
        error.vault = error.vault or vault
        error.bucket = error.bucket or bucket
        error.key = error.key or key
        raise
