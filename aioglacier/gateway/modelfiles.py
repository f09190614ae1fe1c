"""botocore's JSON models: read once for all gateways of the process, and without stopping the event loop.

A worker thread is not enough for that. The largest file makes 50,000 objects in one call that never lets go
of the GIL: 10 ms, and 30 to 100 ms with the garbage collections that it sets off. So collections wait.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from botocore.loaders import JSONFileLoader, Loader, create_loader

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What making a client of "glacier" reads.
_MODELS: Final = ("service-2", "endpoint-rule-set-1", "paginators-1", "waiters-2")
_DATA: Final = ("endpoints", "partitions", "sdk-default-configuration", "_retry")


@cache
def models_at(data_path: str | None) -> Loader:
    """A loader with everything in its cache. Blocks for about 60 ms, the first time.

    Args:
        data_path: botocore's setting of this name: where else to look for models.
    """
    loader = create_loader(data_path)
    loader.file_loader = _QuietFileLoader()
    for name in _DATA:
        loader.load_data_with_path(name)
    for name in _MODELS:
        loader.load_service_model("glacier", name)
    return loader


class _QuietFileLoader(JSONFileLoader):
    """Reads one file between two garbage collections."""

    def load_file(self, file_path: str) -> Any:
        with _collections_put_off():
            return super().load_file(file_path)


@contextmanager
def _collections_put_off() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
