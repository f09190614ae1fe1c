"""The name of a place that keeps archives: a vault, or an S3 bucket with what begins its keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aioglacier.core.checks import check_vault_name
from aioglacier.core.errors import VaultNameError
from aioglacier.core.s3.object_checks import check_bucket_name, check_key

_SCHEME: Final = "s3://"


@dataclass(frozen=True, slots=True)
class Place:
    """A vault, or a bucket below a prefix.

    Attributes:
        name: The name of the vault or the bucket.
        prefix: What begins every key; ``None`` for a vault.
    """

    name: str
    prefix: str | None = None

    def __str__(self) -> str:
        """Return the name that ``parse_place`` takes and that the catalog keeps."""
        if self.prefix is None:
            return self.name
        return f"{_SCHEME}{self.name}/{self.prefix}".removesuffix("/" if not self.prefix else "")

    @property
    def is_bucket(self) -> bool:
        """Whether it is a bucket."""
        return self.prefix is not None

    def as_folder(self) -> Place:
        """Return the same place with a prefix that ends in "/", so that other keys cannot begin with it."""
        if not self.prefix or self.prefix.endswith("/"):
            return self
        return Place(self.name, self.prefix + "/")


def parse_place(text: str) -> Place:
    """Return the place that a text names: a vault, or ``s3://BUCKET[/PREFIX]``.

    Raises:
        VaultNameError: No vault can have this name, and it is no bucket.
        BucketNameError: No bucket can have this name.
        ObjectKeyError: The prefix is too long for a key.
    """
    if not text.startswith(_SCHEME):
        if ":" in text or "/" in text:  # no vault has such a name, so it is another notation of a place
            raise VaultNameError(
                f"{text!r} is neither the name of a vault nor s3://BUCKET[/PREFIX]", name=text
            )
        return Place(check_vault_name(text))
    name, _, prefix = text.removeprefix(_SCHEME).partition("/")
    check_bucket_name(name)
    return Place(name, check_key(prefix) if prefix else "")
