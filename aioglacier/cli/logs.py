"""Logging to standard error: warnings always, more with -v, secrets never."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Final

from aioglacier.cli.escaping import redact

#: By how often -v was given: the level of aioglacier's own loggers, and of all others.
_LEVELS: Final = (
    (logging.WARNING, logging.CRITICAL),
    (logging.INFO, logging.WARNING),
    (logging.DEBUG, logging.INFO),
    (logging.DEBUG, logging.DEBUG),
)


def start_logging(*, verbose: int, quiet: bool) -> None:
    """Log to standard error from now on. Tracebacks are ours only, and with -vv or more."""
    own, others = _LEVELS[min(verbose, len(_LEVELS) - 1)]
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)
    handler = _StderrHandler()
    handler.setFormatter(_Formatter(shows_tracebacks=verbose >= 2))
    logging.basicConfig(level=others, handlers=[handler], force=True)
    logging.getLogger("aioglacier").setLevel(logging.ERROR if quiet and not verbose else own)


class _StderrHandler(logging.Handler):
    """Writes to whatever standard error is at the moment: a progress display puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(self.format(record) + "\n")


class _Formatter(logging.Formatter):
    def __init__(self, *, shows_tracebacks: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")
        self._shows_tracebacks = shows_tracebacks

    def format(self, record: logging.LogRecord) -> str:
        if not (self._shows_tracebacks and record.name.startswith("aioglacier")):
            record.exc_info = None
            record.exc_text = None
            record.stack_info = None
        return redact(super().format(record))
