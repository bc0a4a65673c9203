"""Formats of log lines, one file for each kind; ``logs/record.py`` is their contract. Kinds do not depend on each
other.

Their patterns take time that grows with the line, not faster: no repeat without a bound stands within another, and one
that could give back what it took is possessive, bounded, or followed by what it cannot take.
"""

from __future__ import annotations

from collections.abc import Mapping

SIGNS: Mapping[str, bytes] = {
    "auditd": rb" msg=audit\(\d",
    "cassandra": rb"(?m)^ ?[A-Z]{4,5} {1,3}\[[^\]\n]{1,200}\] \d{4}-\d\d-\d\d [\d:]{8},\d{3} [\w$.-]{1,200}(?::\d| \()",
    "clickhouse": rb"(?m)^\d{4}\.\d\d\.\d\d \d\d:\d\d:\d\d\.\d{1,9} \[ ",
    "elb": rb" (?:\d{3}|-) (?:\d{1,3}|-) \d{1,18} \d{1,18} \"",
    "envoy": rb"(?m)^\[\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?Z?\](?: \"|\[\d)",
    "haproxy": rb"haproxy(?:\[\d{1,10}\])?: |:\d{1,5} \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3}\] ",
    "kafka": rb"(?m)^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] [A-Z]{4,5} ",
    "mongodb": rb'"\$date"',
    "mysql": rb"\[(?:Note|Warning|ERROR|System)\] |[\dZ][ \t]{1,24}\d{1,20} (?:Query|Connect|Quit|Init DB|Execute)\b",
    "mysql_slow": rb"(?m)^# User@Host: ",
    "php": rb"(?m)^\[\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d",
    "rails": rb"Started [A-Z]{3,10} \"|Completed \d{3} |method=[A-Z]{3,10} path=",
    "redis": rb"(?m)^(?:\d{1,10}:[XCSM]|\[\d{1,10}\]) \d{1,2} [A-Z][a-z]{2} ",
    "squid": rb" [A-Z_]{3,80}/\d{3} \d{1,18} [A-Z]",
    "unbound": rb"(?:unbound(?:-\w{1,20})?|nsd)\[\d{1,10}",
    "uwsgi": rb"(?m)^\[pid: \d",
    "w3c": rb"(?m)^#Fields:|^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S{3,45} (?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /",
}
"""What stands in every log of a kind: one without it is not tried, nor its module imported. A kind that is not named
here is always tried."""
