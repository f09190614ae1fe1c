"""The native hashing core from Python, on random bytes in random pieces, against ``hashlib``.

``python tests/fuzz/native.py SECONDS FOLDER`` tests the build of ``native.c`` in a folder, possibly one made
with ``-fsanitize=address,undefined`` (Python then needs ``LD_PRELOAD=libasan.so``); without a folder, the
installed build. It prints the number of hashed archives, and a traceback at the first wrong hash.
"""

# ruff: noqa: S311, T201  # dice, and a program that prints

from __future__ import annotations

import random
import sys
import time
from hashlib import sha256
from typing import Any

_LEAF_SIZE = 1024 * 1024
_DATA = random.Random(5).randbytes(3 * _LEAF_SIZE)


def hash_once(native: Any, dice: random.Random) -> None:
    """Hash some bytes in some pieces of some kinds of buffer, and compare."""
    start = dice.randrange(100)
    size = dice.choice(
        [dice.randrange(400), _LEAF_SIZE - dice.randrange(-70, 70), dice.randrange(len(_DATA))]
    )
    data = memoryview(_DATA)[start : start + size]
    pair = native.HashPair()
    rest = data
    while rest:
        count = dice.choice([dice.randrange(200), dice.randrange(len(rest) + 1), len(rest)])
        kind = dice.choice([bytes, bytearray, memoryview])
        pair.update(kind(rest[:count]))
        rest = rest[count:]
        if dice.randrange(9) == 0:
            pair.digests()
    leaves = b"".join(sha256(data[at : at + _LEAF_SIZE]).digest() for at in range(0, len(data), _LEAF_SIZE))
    if pair.digests() != (sha256(data).digest(), leaves):
        raise AssertionError(f"wrong hashes of {len(data)} bytes from {start}")
    some = [data[at : at + dice.randrange(5000)] for at in range(0, len(data), 1 + len(data) // 40)]
    if native.sha256_each(some) != [sha256(each).digest() for each in some]:
        raise AssertionError(f"wrong hashes of {len(some)} contents")


def main(seconds: float, folder: str | None = None) -> None:
    """Hash until the time is over."""
    if folder is None:
        from aioglacier.core import native  # noqa: PLC0415
    else:
        sys.path.insert(0, folder)
        import native  # type: ignore[import-not-found, no-redef]  # noqa: PLC0415
    seed = time.time_ns()
    print("seed", seed, flush=True)
    dice = random.Random(seed)
    stop = time.monotonic() + seconds
    count = 0
    while count == 0 or time.monotonic() < stop:
        hash_once(native, dice)
        count += 1
    print(count, "archives with", native.INSTRUCTIONS)


if __name__ == "__main__":
    main(float(sys.argv[1]), *sys.argv[2:])
