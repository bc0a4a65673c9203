"""Formats of log lines, one file for each kind; ``logs/record.py`` is their contract. Kinds do not depend on each
other.

Their patterns take time that grows with the line, not faster: no repeat without a bound stands within another, and one
that could give back what it took is possessive, bounded, or followed by what it cannot take.
"""

from __future__ import annotations

from collections.abc import Mapping

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SIGNS: Mapping[str, tuple[bytes, ...]] = {
    "auditd": (b" msg=audit(",),
    "cassandra": (b".java",),
    "clickhouse": (b"} <",),
    "elb": (b'HTTP/1.1" "', b'HTTP/2.0" "', b'HTTP/1.0" "', b'- - - "', b" app/"),
    "envoy": (b'Z] "', b"][info][", b"][warning][", b"][error][", b"][debug][", b"][critical][", b"][trace]["),
    "haproxy": (b"haproxy", b"-- ", b"handshake", b"heartbeat"),
    "kafka": (b"] INFO ", b"] WARN ", b"] ERROR ", b"] DEBUG ", b"] FATAL ", b"] TRACE "),
    "mongodb": (b'"$date"',),
    "mysql": (b"[Note]", b"[Warning]", b"[ERROR]", b"[Error]", b"[System]", b" Query", b" Quit", b" Connect"),
    "mysql_slow": (b"# User@Host: ",),
    "otlp": (b'"resourceLogs"',),
    "php": tuple(f"-{month}-".encode() for month in _MONTHS),
    "rails": (b"Started ", b"Completed ", b" path="),
    "redis": (b":M ", b":S ", b":C ", b":X ", b" * ", b" # "),
    "squid": (b"TCP_", b"UDP_", b"NONE/", b"NONE_"),
    "unbound": (b"unbound", b"nsd["),
    "uwsgi": (b"[pid: ",),
    "w3c": (b"#Fields:", b" GET /", b" HEAD /", b" POST /", b" PUT /", b" DELETE /", b" OPTIONS /"),
}
"""One of these stands in every log of a kind: without any it is not tried, nor its module imported. A kind that is not
named here is always tried."""
