"""File names that other tools left in archive descriptions.

Glacier knows no file names, so every tool writes them into the description in a way of its own. ``decode``
reads the known ways back. A further one is one module here and one line in ``decoders.py``.
"""

from aioglacier.core.descriptions.decoded import DecodedName
from aioglacier.core.descriptions.decoders import decode

__all__ = ["DecodedName", "decode"]
