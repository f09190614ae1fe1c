"""The entry point of the command line, ``aioglacier`` or ``python -m aioglacier``."""

from __future__ import annotations

import sys

from aioglacier.cli.stopping import StoppedError, Stopper


def main() -> int:
    """Run the command line and return its exit code."""
    stopper = Stopper()
    stopper.install()
    try:
        try:
            import click  # noqa: F401, PLC0415  # the question is whether it is there
        except ImportError:
            sys.stderr.write(
                'aioglacier: the command line needs two more packages: pip install "aioglacier[cli]"\n'
            )
            return 1
        from aioglacier.cli.program import run  # noqa: PLC0415  # needs click

        return run(stopper=stopper)
    except StoppedError as error:
        sys.stderr.write(f"aioglacier: {error}\n")
        return 128 + error.signal
    finally:
        stopper.retire()


if __name__ == "__main__":
    sys.exit(main())
