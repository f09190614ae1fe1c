"""File names that other tools left in archive descriptions.

Glacier has no file names, so each tool writes them into the description in its own format. ``decode`` reads
the known formats. A further one is one module here and one line in ``decoders.py``.
"""

from aioglacier.core.descriptions.decoded import DecodedName
from aioglacier.core.descriptions.decoders import decode

__all__ = ["DecodedName", "decode"]
