"""Output: records go to standard output, everything else to standard error.

A record is one dictionary, printed as a line of JSON or as text made from the same dictionary. The reader of
standard output may leave at any time (``| head``); that is no error of the work itself.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aioglacier.cli.render.escaping import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TextIO

Record = dict[str, Any]


class Output:
    """Prints records, notices and errors.

    Attributes:
        is_json: Whether records and errors are JSON.
        is_quiet: Whether only results and errors are printed.
        is_silent: Whether results that are not JSON are left out, too.
        log: A file that gets notices, warnings and errors as well, with their times.
        summary: The last record that sums up a run, as far as there is one.
        is_closed: Whether the reader of standard output went away.
        to_stderr: Whether results go to standard error, because standard output carries an archive.
        show_cursor: Shows the cursor again while a progress display hides it.
    """

    def __init__(
        self,
        *,
        is_json: bool = False,
        is_quiet: bool = False,
        is_silent: bool = False,
        log: TextIO | None = None,
    ) -> None:
        self.is_json = is_json
        self.is_silent = is_silent and not is_json
        self.log = log
        self.summary: Mapping[str, Any] = {}
        self.is_quiet = is_quiet
        self.is_closed = False
        self.to_stderr = False
        self.show_cursor: Callable[[], None] = lambda: None
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and hasattr(stream, "reconfigure"):
                # A description may hold characters that this terminal's encoding lacks; show them escaped.
                stream.reconfigure(errors="backslashreplace")

    @property
    def shows_progress(self) -> bool:
        """Whether standard error is a terminal that can show progress."""
        if self.is_quiet or sys.stderr is None:
            return False
        try:
            return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        except ValueError:
            return False

    @property
    def width(self) -> int | None:
        """The columns of the terminal that results are printed to; ``None`` for a file or a pipe."""
        stream = sys.stderr if self.to_stderr else sys.stdout
        try:
            if stream is None or not stream.isatty():
                return None
            return int(os.environ.get("COLUMNS", "")) or 80
        except ValueError:
            pass
        try:
            return os.get_terminal_size(stream.fileno()).columns or 80  # a serial line has 0
        except (OSError, ValueError):
            return 80

    def record(
        self, record: Mapping[str, Any], as_text: Callable[[Mapping[str, Any]], str], *, is_last: bool = True
    ) -> None:
        """Print one record, at once or with the last of many."""
        if record.get("event") == "summary":
            self.summary = record
        if self.log is not None:
            self._log(as_text(record))
        if not self.is_silent:
            self.write((json.dumps(record) if self.is_json else as_text(record)) + "\n", is_last=is_last)

    def line(self, text: str) -> None:
        """Print a line of the result; see ``write``."""
        self.write(text + "\n")

    def write(self, text: str, *, is_last: bool = True) -> None:
        """Print a piece of the result.

        Raises:
            OSError: It could not be written, although the reader is there. It was printed to standard error
                instead, since it may be the only mention of an archive.
        """
        stream: TextIO | None = sys.stderr if self.to_stderr else sys.stdout
        if self.is_closed:
            return
        if stream is None:
            self._stderr(text.removesuffix("\n"))
            self.is_closed = True
            raise OSError(errno.EBADF, "standard output is closed")
        try:
            stream.write(text)
            if is_last:  # many records go out in blocks
                stream.flush()
        except BrokenPipeError:
            self.close()
        except OSError:
            self._stderr(text.removesuffix("\n"))
            self.close()
            raise

    def note(self, text: str) -> None:
        """Print a notice for people."""
        self._log(text)
        if not self.is_quiet and not self.is_json:
            self._stderr(text)

    def warn(self, text: str) -> None:
        """Print a warning for people and programs."""
        self._log(f"warning: {redact(text)}")
        if self.is_json:
            self._stderr(json.dumps({"warning": redact(text)}))
        elif not self.is_quiet:
            self._stderr(f"warning: {redact(text)}")

    def error(self, record: Mapping[str, Any], text: str) -> None:
        """Print one error."""
        self._log(redact(text))
        self._stderr(redact(json.dumps(record) if self.is_json else text))

    def close(self) -> None:
        """Give up standard output, so that buffered output raises no error, not even at exit."""
        self.is_closed = True
        with suppress(OSError, ValueError, AttributeError):
            null = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(null, sys.stdout.fileno())  # the interpreter flushes the stream when it ends
            finally:
                os.close(null)

    def restore_terminal(self) -> None:
        """Give the terminal back as it was, before the program ends without cleaning up."""
        self.show_cursor()

    def flush(self) -> None:
        """Write everything out; raises as ``line``."""
        if sys.stdout is None or self.is_closed:
            return
        try:
            sys.stdout.flush()
        except (BrokenPipeError, ValueError):
            self.close()
        except OSError as error:
            self.close()
            if error.errno != errno.EBADF:  # it was closed before the program began
                raise

    def _log(self, text: str) -> None:
        if self.log is not None:
            with suppress(OSError, ValueError):  # a full disk does not end the work
                self.log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
                self.log.flush()

    def _stderr(self, text: str) -> None:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
