"""What a connection needs, loaded as cheaply as can be, for a program that has its process to itself.

aiohttp, when it is loaded, reads all certificates that the system trusts, which takes 35 ms, for connections
to whom nobody has said how to verify. Ours always say so (``proxies.py``), so the command line shows it none.
A library must not do this: others in its process may use aiohttp as well.
"""

from __future__ import annotations

import importlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Where OpenSSL looks for certificates instead of in the system's places.
_PLACES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def load_alone() -> None:
    """Load it. Blocks; to be called in a thread, by a program that uses aiohttp for nothing else."""
    with _no_certificates():
        importlib.import_module("aiohttp")
    importlib.import_module("aioglacier.gateway.aws")
    importlib.import_module("aioglacier.gateway.retry.retrying_gateway")


@contextmanager
def _no_certificates() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _PLACES}
    os.environ.update(dict.fromkeys(_PLACES, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
