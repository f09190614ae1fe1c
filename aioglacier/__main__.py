"""The entry point of the command line, ``aioglacier`` or ``python -m aioglacier``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        import click  # noqa: F401, PLC0415  # the question is whether it is there
    except ImportError:
        sys.stderr.write(
            'aioglacier: the command line needs two more packages: pip install "aioglacier[cli]"\n'
        )
        return 1
    from aioglacier.cli.program import run  # noqa: PLC0415  # needs click

    return run()


if __name__ == "__main__":
    sys.exit(main())
