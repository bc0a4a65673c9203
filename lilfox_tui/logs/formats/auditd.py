"""Linux's audit log: ``type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e syscall=2 success=no …``.

Keys and their values are fields, also those within ``msg='…'``; all records of one event have the same ``event``. What
was denied or has failed is a warning.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, Severity, text_of
from lilfox_tui.logs.record import every_line as begins

__all__ = ["LEVEL_WORDS", "begins", "parse"]

_FAILED = ("res=failed", "res=no", "res=0", "success=no", " denied ")
LEVEL_WORDS = {
    Severity.INFO: (b" msg=audit(",),
    Severity.WARNING: (*(word.encode() for word in _FAILED), b"ANOM_"),
}
_HEAD = re.compile(
    r"(?:node=(?P<node>\S{1,255}) )?type=(?P<type>[A-Z0-9_]{1,40}|UNKNOWN\[\d{1,5}\]) "
    r"msg=audit\((?P<time>\d{1,12}(?:\.\d{1,9})?):(?P<event>\d{1,20})\): ?"
)
_PAIR = re.compile(r"""(?:(?<=[\s'])|\A)([\w-]{1,64})=("[^"\n]*+"|(?!')[^\s']*+)""")
_MOST_FIELDS = 256


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times are UTC
    """Parse one record; None for any other line."""
    text = text_of(raw)
    head = _HEAD.match(text)
    if head is None:
        return None
    message = text[head.end() :]
    fields: dict[str, object] = {"type": head["type"], "event": int(head["event"])}
    if head["node"]:
        fields["node"] = head["node"]
    for pair in _PAIR.finditer(message):
        if len(fields) >= _MOST_FIELDS:
            break
        fields.setdefault(pair[1], pair[2].strip('"'))
    failed = head["type"].startswith("ANOM_") or any(word in text for word in _FAILED)
    return LogEntry(
        message=message or head["type"],
        time_us=times.from_text(head["time"], zone),
        severity=Severity.WARNING if failed else Severity.INFO,
        logger=head["type"],
        module=head["type"],
        fields=fields,
    )
