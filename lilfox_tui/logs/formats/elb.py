"""Access logs of AWS's load balancers: Application (ALB), Classic (ELB), in the order of their documentation.

The status is the one that the client got; ``target_status`` is what the target has answered. The response time is the
sum of the three times; without it (``-1``) no target has answered.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, text_of
from lilfox_tui.logs.record import every_line as begins
from lilfox_tui.logs.requests import STATUS_WORDS, request_entry

__all__ = ["LEVEL_WORDS", "begins", "parse"]

LEVEL_WORDS = STATUS_WORDS
_LINE = re.compile(
    r"(?:(?P<type>https?|h2|grpcs|wss?) )?(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z) (?P<elb>\S{1,255}) "
    r"(?P<client>\S{1,255}) (?P<target>\S{1,255}) "
    r"(?P<t1>-1|\d{1,9}(?:\.\d{1,9})?) (?P<t2>-1|\d{1,9}(?:\.\d{1,9})?) (?P<t3>-1|\d{1,9}(?:\.\d{1,9})?) "
    r"(?P<status>\d{3}|-) (?P<target_status>\d{1,3}|-) (?P<received>\d{1,18}) (?P<sent>\d{1,18}) "
    r'"(?P<request>(?:[^"\\]|\\.)*+)"(?: "(?P<agent>(?:[^"\\]|\\.)*+)" (?P<cipher>\S{1,100}) (?P<protocol>\S{1,40}))?'
    r"(?: (?P<rest>.*+))?",
    re.DOTALL | re.ASCII,
)
_REST = re.compile(r'"(?:[^"\\]|\\.)*+"?|[^\s"]++', re.DOTALL)
_FURTHER = (
    "target_group_arn", "trace_id", "domain_name", "chosen_cert_arn", "matched_rule_priority", "request_creation_time",
    "actions_executed", "redirect_url", "error_reason", "targets", "target_statuses", "classification",
    "classification_reason", "conn_trace_id",
)  # fmt: skip
_PORT = re.compile(r":\d{1,5}\Z")


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times are UTC
    """Parse one request; None for any other line."""
    match = _LINE.fullmatch(text_of(raw))
    if match is None:
        return None
    named = {
        "type": match["type"], "elb": match["elb"], "target": match["target"], "target_status": match["target_status"],
        "received_bytes": match["received"], "agent": match["agent"], "ssl_cipher": match["cipher"],
        "ssl_protocol": match["protocol"],
    }  # fmt: skip
    if match["rest"]:
        further = (value.strip('"') for value in _REST.findall(match["rest"][:20_000]))
        named.update(zip(_FURTHER, further, strict=False))
    spent = [float(match[name]) for name in ("t1", "t2", "t3")]
    return request_entry(
        match["request"],
        match["status"],
        client=_PORT.sub("", match["client"]),
        size=match["sent"],
        time_us=times.from_text(match["time"], zone),
        seconds=round(sum(spent), 9) if min(spent) >= 0 else None,
        more={name: value for name, value in named.items() if value not in (None, "", "-")},
    )
