"""Coverage-guided fuzzing of parsers of foreign bytes; run by hand, not by pytest.

``pip install atheris && python tests/fuzz/parsers.py -max_total_time=600`` ends with a traceback and the
input if a parser raises anything but its own error, or depends on how the bytes were cut.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports():
    from aioglacier.core.errors import InventoryError
    from aioglacier.core.inventory.descriptions import decode
    from aioglacier.core.inventory.inventory_parser import open_inventory_reader
    from aioglacier.core.models import Archive, InventoryFormat
    from aioglacier.gateway.notice_queue import find_names


def read(document: bytes, output_format: InventoryFormat, cut: int) -> list[Archive] | int:
    """Return the archives of a document fed in two pieces, or the offset at which it was refused."""
    reader = open_inventory_reader(output_format, vault="v")
    try:
        return [*reader.feed(document[:cut]), *reader.feed(document[cut:]), *reader.close()]
    except InventoryError as error:
        return error.offset


def test_one_input(data: bytes) -> None:
    """Try one input on every parser."""
    provider = atheris.FuzzedDataProvider(data)
    cut = provider.ConsumeIntInRange(0, 64)
    document = provider.ConsumeBytes(len(data))
    for output_format in InventoryFormat:
        whole = read(document, output_format, 0)
        if whole != read(document, output_format, min(cut, len(document))):
            raise AssertionError("the same bytes, cut elsewhere, read differently")
    text = document.decode("utf-8", "surrogateescape")
    decode(text)
    find_names(text)


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
