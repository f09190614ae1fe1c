"""botocore's JSON models: read once for all gateways of the process, and without stopping the event loop.

A worker thread is not enough for that. The file of all endpoints of all services becomes 50,000 objects in
one call that never lets go of the GIL, 12 ms as botocore reads it, into ordered dicts, and 5 ms into plain
ones; and so many new objects set off garbage collections of 25 ms and more. So collections wait, and of that
file only the services are kept that we talk to: Glacier, and those that give out credentials.
"""

from __future__ import annotations

import gc
import gzip
import json
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from botocore.loaders import JSONFileLoader, Loader, create_loader

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What making a client of "glacier" reads.
_MODELS: Final = ("service-2", "endpoint-rule-set-1", "paginators-1", "waiters-2")
_DATA: Final = ("partitions", "sdk-default-configuration", "_retry")

_SERVICES: Final = frozenset({"glacier", "oidc", "portal.sso", "signin", "sts"})


@cache
def models_at(data_path: str | None) -> Loader:
    """A loader with everything in its cache. Blocks for about 40 ms, the first time.

    Args:
        data_path: botocore's setting of this name: where else to look for models.
    """
    loader = create_loader(data_path)
    loader.file_loader = _PlainFileLoader()
    with _collections_put_off():
        endpoints, _ = loader.load_data_with_path("endpoints")
        for partition in endpoints["partitions"]:
            services = partition["services"]
            partition["services"] = {name: services[name] for name in services if name in _SERVICES}
        for name in _DATA:
            loader.load_data_with_path(name)
        for name in _MODELS:
            loader.load_service_model("glacier", name)
    return loader


class _PlainFileLoader(JSONFileLoader):
    """Reads into plain dicts, which keep their order as well."""

    def load_file(self, file_path: str) -> Any:
        for suffix, opener in ((".json", open), (".json.gz", gzip.open)):
            try:
                with opener(file_path + suffix, "rb") as file:
                    return json.loads(file.read())
            except FileNotFoundError:
                continue
        return None


@contextmanager
def _collections_put_off() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
