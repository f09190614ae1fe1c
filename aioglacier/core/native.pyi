# The interface of native.c, which describes it.

from typing import Final

from typing_extensions import Buffer

INSTRUCTIONS: Final[str | None]

class HashPair:
    def update(self, data: Buffer, /) -> None: ...
    def digests(self) -> tuple[bytes, bytes]: ...

def crc64nvme(data: Buffer, before: int = 0, /) -> int: ...
def crc32c(data: Buffer, before: int = 0, /) -> int: ...
