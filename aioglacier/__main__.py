"""The entry point of the command line, ``aioglacier`` or ``python -m aioglacier``."""

from __future__ import annotations

import gc
import sys

from aioglacier.cli.program.stopping import StoppedError, Stopper

#: Objects made until garbage is looked for. What is imported is none, and looking through it some 300 times,
#: as by default, is a sixth of the CPU time until the first byte leaves. It is 100,000 objects at the most;
#: what comes after them is looked through more often, see ``Session``.
_COLLECT_AFTER = 200_000


def main() -> int:
    """Run the command line and return its exit code."""
    gc.set_threshold(_COLLECT_AFTER)
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
        from aioglacier.cli.program.main import run  # noqa: PLC0415  # needs click

        return run(stopper=stopper)
    except StoppedError as error:
        sys.stderr.write(f"aioglacier: {error}\n")
        return 128 + error.signal
    finally:
        stopper.retire()


if __name__ == "__main__":
    sys.exit(main())
