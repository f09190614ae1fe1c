"""What tests of software that uses aioglacier need: a Glacier in memory."""

from aioglacier.testing.fake import MemoryGlacier

__all__ = ["MemoryGlacier"]
