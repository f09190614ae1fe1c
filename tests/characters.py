"""Characters of every script, for properties of texts."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

#: What UTF-8 encodes. Where only the codec is named, hypothesis encodes every character to find the same:
#: 3.4 s of CPU in each process of a fresh checkout.
CHARACTERS: Final = st.characters(exclude_categories=["Cs"])
TEXTS: Final = st.text(CHARACTERS)
