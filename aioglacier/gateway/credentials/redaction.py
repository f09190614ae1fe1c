"""Keep botocore's debug log from printing secrets.

botocore asks other services for temporary credentials, and at DEBUG it logs their answers and its signatures
in full. It declines to redact them (botocore issue 2626), so filters at its loggers drop such records.
Requests to Glacier never pass there.
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
    """Install the filters. A second call does nothing."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
