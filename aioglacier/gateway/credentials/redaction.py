"""Keeps botocore's debug log from printing secrets.

It is botocore that asks other services for temporary credentials, and at DEBUG it logs what they answer, and
the signatures it makes, in full. It declines to redact them (botocore issue 2626), so records that hold such
things are dropped at the loggers that write them. What is sent to Glacier never passes there.
"""

from __future__ import annotations

import logging
import re
from typing import Final

_LOGGERS: Final = (
    "botocore.auth",
    "botocore.credentials",
    "botocore.endpoint",
    "botocore.httpchecksum",
    "botocore.parsers",
    "botocore.retryhandler",
    "botocore.utils",
)

_TELLTALE: Final = re.compile(
    r"secret|session_?-?token|security-token|authorization|canonicalrequest|stringtosign|signature|accesstoken",
    re.IGNORECASE,
)


class _TelltaleFilter(logging.Filter):
    """Drops records that may hold a secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        return _TELLTALE.search(record.getMessage()) is None


_FILTER: Final = _TelltaleFilter()


def keep_secrets_out_of_logs() -> None:
    """Install the filters; again does nothing."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
