"""PostgreSQL's levels, and what its three formats of logs have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lilfox_tui.logs.record import Severity

LEVELS: Mapping[str, Severity] = {
    "DEBUG": Severity.DEBUG,
    **{f"DEBUG{number}": Severity.DEBUG for number in range(1, 6)},
    "LOG": Severity.INFO,
    "INFO": Severity.INFO,
    "NOTICE": Severity.NOTICE,
    "WARNING": Severity.WARNING,
    "ERROR": Severity.ERROR,
    "FATAL": Severity.CRITICAL,
    "PANIC": Severity.CRITICAL,
    # as a server says them whose lc_messages is zh_CN, in its translation of version 15 and before
    "调试": Severity.DEBUG,
    "日志": Severity.INFO,
    "信息": Severity.INFO,
    "注意": Severity.NOTICE,
    "警告": Severity.WARNING,
    "错误": Severity.ERROR,
    "致命错误": Severity.CRITICAL,
    "灾难性错误": Severity.CRITICAL,
    "比致命错误还过分的错误": Severity.CRITICAL,
}
"""PostgreSQL's documentation, table 19.2: FATAL ends a session, PANIC all of them."""

_DURATION = re.compile(r"duration: (\d{1,12}(?:\.\d{1,6})?) ms")


def words(severity: Severity) -> tuple[bytes, ...]:
    """The words of a severity as they stand in the log, without those of which another is a part."""
    spelt = [word for word, of in LEVELS.items() if of is severity]
    return tuple(w.encode() for w in spelt if not any(other != w and other in w for other in spelt))


def duration_s(message: str) -> float | None:
    """How long the statement took of which ``log_min_duration_statement`` tells."""
    match = _DURATION.match(message)
    return float(match[1]) / 1000 if match else None
