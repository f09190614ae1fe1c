"""``python -m aioglacier.server DIR``: the same as ``aioglacier serve DIR``."""

from __future__ import annotations

import sys

from aioglacier.__main__ import main

if __name__ == "__main__":
    sys.argv.insert(1, "serve")
    sys.exit(main())
