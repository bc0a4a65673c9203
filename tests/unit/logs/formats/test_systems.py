"""Logs of operating systems, clusters, Java and Apache, and objects over several lines."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from lilfox_tui.logs.formats import access, apache_error, clusters, java_logging, json_pretty, klog, logcat, syslog
from lilfox_tui.logs.record import LoggedException, Severity, load_format, microseconds, split_records

NOON_US = microseconds(datetime(2026, 1, 1, 12, tzinfo=UTC))
LATEST = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "severity", "tag", "message", "at"),
    [
        ("01-01 12:00:00.000  1702  2395 D WindowManager: it", Severity.DEBUG, "WindowManager", "it", NOON_US),
        (
            "2026-01-01 12:00:00.250  1  2 V Tag of two : it: x",
            Severity.TRACE,
            "Tag of two",
            "it: x",
            NOON_US + 250_000,
        ),
        ("01-01 12:00:00.000 E/Tag( 1702): it", Severity.ERROR, "Tag", "it", NOON_US),
        ("W/Tag     ( 1702): it", Severity.WARNING, "Tag", "it", None),
        ("01-01 12:00:00.000  1702  2395 F libc    : it", Severity.CRITICAL, "libc", "it", NOON_US),
    ],
)
def test_logcat(line: str, severity: Severity, tag: str, message: str, at: int | None) -> None:
    assert logcat.begins(line.encode())
    entry = logcat.parse(line.encode(), UTC, LATEST)
    assert entry is not None
    assert (entry.severity, entry.logger, entry.message, entry.time_us) == (severity, tag, message, at)
    assert entry.fields["level"] == severity.name[0] or severity in (Severity.CRITICAL, Severity.TRACE)


def test_a_cluster_tells_the_node_and_who_says_it() -> None:
    event = b"APPREAD 1767268800 2026.01.01 R0-M1 2026-01-01-04.00.00.250000 R0-M1:J12 RAS APP FATAL it failed"
    entry = clusters.parse(event, ZoneInfo("Asia/Shanghai"))
    assert entry is not None
    assert (entry.time_us, entry.severity, entry.logger, entry.message) == (
        NOON_US + 250_000, Severity.CRITICAL, "APP", "it failed",
    )  # fmt: skip
    assert entry.fields["label"] == "APPREAD"
    entry = clusters.parse(b"- 1767268800 2026.01.01 dn2 Jan 1 04:00:00 dn2/dn2 sshd[7]: error: it failed", UTC)
    assert entry is not None
    assert (entry.time_us, entry.severity, entry.logger) == (NOON_US, Severity.ERROR, "sshd")
    assert (entry.message, entry.fields["pid"]) == ("error: it failed", "7")
    entry = clusters.parse(b"46 node-2 unix.hw net.niff.up 1767268800 -1 NIFF: node node-2 has it", UTC)
    assert entry is not None
    assert (entry.time_us, entry.fields["state"], entry.message) == (NOON_US, "net.niff.up", "NIFF: node node-2 has it")
    assert clusters.parse(b"- it 1767268800", UTC) is None


def test_java_says_a_record_on_two_lines() -> None:
    block = (
        b"Jan 1, 2026 12:00:00 PM org.acme.Main run\nSEVERE: it failed\n"
        b"java.lang.IllegalStateException: x\n\tat org.acme.Main.run(Main.java:7)\n"
        b"Jan 1, 2026 12:00:01 PM org.acme.Main\nFINE: it runs\n"
    )
    entries = [java_logging.parse(raw, UTC) for _, raw in split_records(block, load_format("java_logging"))]
    assert [(e.time_us, e.severity, e.logger) for e in entries if e] == [
        (NOON_US, Severity.ERROR, "org.acme.Main"), (NOON_US + 1_000_000, Severity.DEBUG, "org.acme.Main"),
    ]  # fmt: skip
    assert entries[0] is not None
    assert entries[0].fault is not None
    assert entries[0].fault.type == "IllegalStateException"
    assert entries[0].fields["method"] == "run"
    assert java_logging.parse(b"Jan 1, 2026 12:00:00 PM org.acme.Main run", UTC) is None


@pytest.mark.parametrize(
    ("line", "severity", "module", "message"),
    [
        ("[Thu Jan 01 12:00:00.000000 2026] [ssl:warn] [pid 7] AH01909: it", Severity.WARNING, "ssl", "it"),
        ("[Thu Jan 01 12:00:00 2026] [error] [client ::1] it", Severity.ERROR, "", "it"),
        ("[Thu Jan  1 12:00:00.000000 2026] [core:trace3] [pid 7:tid 8] core.c(42): it", Severity.TRACE, "core", "it"),
        ("[Thu Jan 01 12:00:00.000000 2026] [:emerg] [pid 7] (2)No such file or directory: it", Severity.CRITICAL,
         "", "it"),
    ],
)  # fmt: skip
def test_apache_tells_its_module(line: str, severity: Severity, module: str, message: str) -> None:
    assert apache_error.begins(line.encode())
    entry = apache_error.parse(line.encode(), UTC)
    assert entry is not None
    assert (entry.time_us, entry.severity, entry.module, entry.message) == (NOON_US, severity, module, message)


def test_an_object_over_several_lines_is_a_record() -> None:
    one = b'{\n  "time": "2026-01-01T12:00:00Z",\n  "level": "ERROR",\n  "error": {\n    "type": "KeyError"\n  }\n}'
    records = [raw for _, raw in split_records(one + b"\n" + one + b",\r\n", load_format("json_pretty"))]
    assert [raw.rstrip(b",") for raw in records] == [one, one]
    for raw in records:
        entry = json_pretty.parse(raw, UTC)
        assert entry is not None
        assert (entry.time_us, entry.severity) == (NOON_US, Severity.ERROR)
        assert entry.fault == LoggedException("KeyError")
    assert json_pretty.parse(b"{}", UTC) is None
    assert json_pretty.parse(b"{\n  broken\n}", UTC) is None


@pytest.mark.parametrize(
    "line",
    [
        "Thu 2026-01-01 13:00:00 CET web1 app[7]: error: it",  # journalctl -o short-full, with-unit
        "Thu 2026-01-01 12:00:00.000000 UTC web1 app[7]: error: it",
        "1767268800.000000 web1 app[7]: error: it",  # short-unix
        "2026-01-01T12:00:00+0000 web1 app[7]: error: it",  # short-iso
        "2026-01-01T12:00:00.000000+00:00 web1 app[7]: error: it",  # short-iso-precise
        "Jan 01 12:00:00.000000 web1 app[7]: error: it",  # short-precise
    ],
)
def test_what_journalctl_prints(line: str) -> None:
    assert syslog.begins(line.encode())
    entry = syslog.parse(line.encode(), UTC, LATEST)
    assert entry is not None
    assert (entry.time_us, entry.severity, entry.logger, entry.message) == (NOON_US, Severity.ERROR, "app", "error: it")
    assert (entry.fields["host"], entry.fields["pid"]) == ("web1", "7")


def test_glog_tells_the_year() -> None:
    entry = klog.parse(b"W20260101 12:00:00.000000   123 a.cc:7] it", UTC, datetime(2030, 1, 1, tzinfo=UTC))
    assert entry is not None
    assert (entry.time_us, entry.severity, entry.message) == (NOON_US, Severity.WARNING, "it")


def test_an_access_log_without_an_offset_is_of_the_given_zone() -> None:
    line = b'::1 - - [01/Jan/2026 20:00:00] "GET / HTTP/1.1" 200 -'
    entry = access.parse(line, ZoneInfo("Asia/Shanghai"))
    assert entry is not None
    assert (entry.time_us, entry.fields["status"]) == (NOON_US, 200)
