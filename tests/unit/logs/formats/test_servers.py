"""nginx's errors, syslog, the journal, PostgreSQL's logs and logfmt; what real programs write is in tests/services."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from lilfox_tui.logs.formats import (
    journald,
    klog,
    logfmt,
    nginx_error,
    postgresql,
    postgresql_csv,
    postgresql_json,
    syslog,
)
from lilfox_tui.logs.record import RAW_LIMIT, LogEntry, Severity, microseconds
from lilfox_tui.logs.structured import SYSLOG

NOON_US = microseconds(datetime(2026, 1, 1, 12, tzinfo=UTC))


def test_nginx_tells_what_it_was_doing() -> None:
    entry = nginx_error.parse(
        b"2026/01/01 20:00:00 [crit] 12#34: *56 connect() to unix:/x failed (2: No such file), client: ::1, server: _, "
        b'request: "GET /a?b=c, d HTTP/1.1", upstream: "http://unix:/x:/a", host: "a.example", referrer: "https://b/"',
        ZoneInfo("Asia/Shanghai"),
    )
    assert entry == LogEntry(
        message="connect() to unix:/x failed (2: No such file)",
        time_us=NOON_US,
        severity=Severity.CRITICAL,
        fields={
            "pid": 12,
            "tid": 34,
            "connection": 56,
            "client": "::1",
            "server": "_",
            "request": "GET /a?b=c, d HTTP/1.1",
            "upstream": "http://unix:/x:/a",
            "host": "a.example",
            "referrer": "https://b/",
        },
    )
    assert nginx_error.parse(b"2026/01/01 12:00:00 it", UTC) is None


@pytest.mark.fault("4.84")
@pytest.mark.parametrize(
    ("raw", "message", "severity", "fields"),
    [
        (
            b"<34>Oct 11 22:14:15 web1 su: 'su root' failed",
            "'su root' failed",
            Severity.CRITICAL,
            {"host": "web1", "app": "su"},
        ),
        (
            b"Oct 11 22:14:15 web1 postfix/smtpd[42]: connect",
            "connect",
            Severity.UNKNOWN,
            {"host": "web1", "app": "postfix/smtpd", "pid": "42"},
        ),
        (
            b"Oct 11 22:14:15 web1 app: error: it failed",
            "error: it failed",
            Severity.ERROR,
            {"host": "web1", "app": "app"},
        ),
        (
            b"Oct 11 22:14:15 web1 last message repeated 2 times",
            "last message repeated 2 times",
            Severity.UNKNOWN,
            {"host": "web1"},
        ),
        (
            b'<165>1 2026-01-01T12:00:00.003Z a ev 7 ID47 [x@1 n="3" t="a\\"]b"][y] \xef\xbb\xbfit',
            "it",
            Severity.NOTICE,
            {"n": "3", "t": 'a"]b', "host": "a", "app": "ev", "pid": "7", "msgid": "ID47"},
        ),
        (b"<13>1 - - - - - -", "", Severity.NOTICE, {}),
        (b"Feb 7 22:14:15 web1 app[3]: it", "it", Severity.UNKNOWN, {"host": "web1", "app": "app", "pid": "3"}),
        (b"Feb  7 2021 22:14:15 web1 app: it", "it", Severity.UNKNOWN, {"host": "web1", "app": "app"}),
        (b"Feb 7 22:14:15 2021 web1 app: it", "it", Severity.UNKNOWN, {"host": "web1", "app": "app"}),
        (b"Oct 11 22:14:15 web1 12:30:00 it", "12:30:00 it", Severity.UNKNOWN, {"host": "web1"}),
        (b"2026-01-01T12:00:00.1+00:00 web1 app2: it", "it", Severity.UNKNOWN, {"host": "web1", "app": "app2"}),
        (b'<13>1 - - - - - [x a="unfinished', ' a="unfinished', Severity.NOTICE, {}),
    ],
)
def test_syslog(raw: bytes, message: str, severity: Severity, fields: dict[str, object]) -> None:
    entry = syslog.parse(raw, UTC)
    assert entry is not None
    assert (entry.message.lstrip(), entry.severity, entry.fields) == (message.lstrip(), severity, fields)


@pytest.mark.fault("4.84")
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"it",
        b"<999>Oct 11 22:14:15 a b: c",
        b"<13>it",
        b"Oct 11 it",
        b"2026-01-01T12:00:00Z INFO target: it",
        b"2026-01-01T12:00:00.1Z I0101 12:00:00.1 1 server.go:10] started",
    ],
)
def test_what_is_no_syslog(raw: bytes) -> None:
    assert syslog.parse(raw, UTC) is None


def test_every_priority_of_syslog_is_found_by_its_words() -> None:
    for priority in range(192):
        raw = b"<%d>Oct 11 22:14:15 web1 app: it" % priority
        entry = syslog.parse(raw, UTC)
        assert entry is not None
        assert entry.severity is SYSLOG[priority % 8]
        assert any(word in raw for word in syslog.LEVEL_WORDS[entry.severity])


def test_the_journal() -> None:
    entry = journald.parse(
        b'{"__REALTIME_TIMESTAMP":"1767268800000000","PRIORITY":"3","SYSLOG_IDENTIFIER":"sshd","_SYSTEMD_UNIT":"ssh.service",'
        b'"MESSAGE":"refused","_PID":"42"}',
        ZoneInfo("Asia/Shanghai"),
    )
    assert entry is not None
    assert (entry.message, entry.time_us, entry.severity) == ("refused", NOON_US, Severity.ERROR)
    assert (entry.logger, entry.module, entry.fields["_PID"]) == ("sshd", "ssh.service", "42")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"[104,105,255]", "hi\ufffd"),
        (b'["a","b"]', "a\nb"),
        (b"null", ""),
        (b"[300]", ""),
        (b"7", ""),
        (b'"a\\nb"', "a\nb"),
    ],
)
def test_a_message_of_the_journal(value: bytes, message: str) -> None:
    entry = journald.parse(b'{"__REALTIME_TIMESTAMP":"1","MESSAGE":' + value + b"}", UTC)
    assert entry is not None
    assert (entry.message, entry.severity) == (message, Severity.UNKNOWN)


@pytest.mark.parametrize(
    ("priority", "message", "severity"),
    [
        (6, "started", Severity.INFO),
        (6, "2026-01-01 12:00:00,000 - a - ERROR - it failed", Severity.ERROR),
        (6, "[warn] odd", Severity.WARNING),
        (5, "ERROR it failed", Severity.NOTICE),
        (2, "it failed", Severity.CRITICAL),
    ],
)
def test_of_what_a_program_prints_the_words_tell_the_level(priority: int, message: str, severity: Severity) -> None:
    raw = f'{{"__REALTIME_TIMESTAMP":"1","PRIORITY":"{priority}","MESSAGE":"{message}"}}'.encode()
    entry = journald.parse(raw, UTC)
    assert entry is not None
    assert entry.severity is severity
    assert any(word.lower() in raw.lower() for word in journald.LEVEL_WORDS[severity])


def test_an_exception_within_a_message_of_the_journal() -> None:
    entry = journald.parse(
        b'{"__REALTIME_TIMESTAMP":"1","MESSAGE":"it\\nTraceback (most recent call last):\\n  File\\nKeyError: 1"}',
        UTC,
    )
    assert entry is not None
    assert entry.fault is not None
    assert entry.fault.type == "KeyError"


@pytest.mark.parametrize(
    ("prefix", "fields"),
    [
        ("2026-01-01 12:00:00.000 UTC [42] ", {"pid": 42}),
        ("2026-01-01 12:00:00.000 UTC [42] fox@shop ", {"pid": 42, "user": "fox", "db": "shop"}),
        (
            "2026-01-01 12:00:00 UTC [42]: [7-1] user=fox,db=shop,app=psql,client=::1 ",
            {"pid": 42, "user": "fox", "db": "shop", "app": "psql", "client": "::1"},
        ),
        ("2026-01-01 12:00:00 UTC:203.0.113.9(5000):fox@shop:[42]:", {"pid": 42, "user": "fox", "db": "shop"}),
        (
            "2026-01-01 12:00:00 UTC [42]: user=[unknown],db=[unknown] ",
            {"pid": 42, "user": "[unknown]", "db": "[unknown]"},
        ),
        ("2026-01-01 14:00:00 +02 ", {}),
        ("2026-01-01 12:00:00 UTC ", {}),
    ],
)
def test_prefixes_of_postgresql(prefix: str, fields: dict[str, object]) -> None:
    raw = f"{prefix}FATAL:  it\n{prefix}DETAIL:  d\n{prefix}STATEMENT:  SELECT\n\t1".encode()
    assert [postgresql.begins(line) for line in raw.split(b"\n")] == [True, False, False, False]
    entry = postgresql.parse(raw, UTC)
    assert entry is not None
    assert (entry.message, entry.time_us, entry.severity) == ("it", NOON_US, Severity.CRITICAL)
    assert entry.fields == {"level": "FATAL", **fields, "detail": "d", "statement": "SELECT\n1"}


def test_how_long_a_statement_took() -> None:
    entry = postgresql.parse(b"2026-01-01 12:00:00 UTC [42] LOG:  duration: 12.5 ms  statement: SELECT 1", UTC)
    assert entry is not None
    assert entry.response_time_s == pytest.approx(0.0125)
    other = postgresql.parse(b"2026-01-01 12:00:00 UTC [42] LOG:  checkpoint, duration: 12.5 ms", UTC)
    assert other is not None
    assert other.response_time_s is None


def test_postgresql_in_chinese() -> None:
    raw = "2026-01-01 20:00:00.000 CST [42] 致命错误:  表\n2026-01-01 20:00:00.000 CST [42] 详情:  d".encode()
    assert [postgresql.begins(line) for line in raw.split(b"\n")] == [True, False]
    entry = postgresql.parse(raw, ZoneInfo("Asia/Shanghai"))
    assert entry is not None
    assert (entry.message, entry.time_us, entry.severity) == ("表", NOON_US, Severity.CRITICAL)
    assert entry.fields["detail"] == "d"


CSV = (
    b'2026-01-01 12:00:00.000 UTC,"fox","shop",42,"[local]",65a.1,2,"SELECT",2026-01-01 12:00:00 UTC,3/4,0,ERROR,42P01,'
    b'"no ""x"",\nhere",,,,,,"SELECT *\nFROM x",15,,"psql","client backend",,0'
)


def test_the_columns_of_csvlog() -> None:
    assert [postgresql_csv.begins(line) for line in CSV.split(b"\n")] == [True, False, False]
    entry = postgresql_csv.parse(CSV, UTC)
    assert entry is not None
    assert (entry.message, entry.time_us, entry.severity) == ('no "x",\nhere', NOON_US, Severity.ERROR)
    assert (entry.fields["statement"], entry.fields["application_name"]) == ("SELECT *\nFROM x", "psql")
    assert (entry.fields["query_id"], "detail" in entry.fields) == ("0", False)


def test_csvlog_that_was_cut_is_read_as_far_as_it_goes() -> None:
    entry = postgresql_csv.parse(CSV.replace(b"FROM", b"FROM " * 60_000)[:RAW_LIMIT], UTC)
    assert entry is not None
    assert str(entry.fields["statement"]).startswith("SELECT *\nFROM FROM")
    for raw in (CSV[:80], b"2026-01-01,a", b"", CSV.replace(b",ERROR,", b",OOPS,")):
        assert postgresql_csv.parse(raw, UTC) is None


def test_jsonlog() -> None:
    entry = postgresql_json.parse(
        b'{"timestamp":"2026-01-01 12:00:00.000 UTC","pid":42,"error_severity":"LOG","message":"duration: 250.0 ms"}',
        UTC,
    )
    assert entry is not None
    assert (entry.time_us, entry.severity, entry.response_time_s) == (NOON_US, Severity.INFO, 0.25)
    assert postgresql_json.parse(b'{"error_severity":7}', UTC) is None
    assert postgresql_json.parse(b'{"message":"\\"error_severity\\""}', UTC) is None


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (
            b'level=info msg="a b" n=7 f=0.5 w="c \\"d\\" \\\\ \\n" bare e=',
            {"level": "info", "msg": "a b", "n": 7, "f": 0.5, "w": 'c "d" \\ \n', "bare": True, "e": ""},
        ),
        (b"ts=2026-01-01T12:00:00Z msg=x id=007 n=0", {"ts": "2026-01-01T12:00:00Z", "msg": "x", "id": "007", "n": 0}),
        (b'level=info msg="cut', {"level": "info", "msg": "cut"}),
        ("level=info msg=你好 名=x".encode(), {"level": "info", "msg": "你好", "名": "x"}),
    ],
)
def test_pairs_of_logfmt(raw: bytes, fields: dict[str, object]) -> None:
    entry = logfmt.parse(raw, UTC)
    assert entry is not None
    assert entry.fields == fields


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"it", b"a=b", b"a=b c=d", b"level=info", b'it said level=info msg="x" and "more"', b"=x level=a"),
        *(b"WARN [myid=1] - time out", b"id=1 level - time out"),
    ],
)
def test_what_is_no_logfmt(raw: bytes) -> None:
    assert logfmt.parse(raw, UTC) is None


def test_what_logfmt_says() -> None:
    entry = logfmt.parse(
        b'time=2026-01-01T12:00:00Z level=ERROR msg=it err="ValueError: x" took=250ms caller=a.go:7', UTC
    )
    assert entry is not None
    assert (entry.message, entry.time_us, entry.severity) == ("it", NOON_US, Severity.ERROR)
    assert (entry.module, entry.response_time_s) == ("a.go", 0.25)
    assert entry.fault is not None
    assert entry.fault.type == "ValueError"


@pytest.mark.parametrize(
    ("raw", "message", "severity", "at"),
    [
        (b"I0101 12:00:00.5       1 server.go:10] started", "started", Severity.INFO, "2024-01-01T12:00:00.5"),
        (b"2026-01-02T12:00:00.25Z E0102 12:00:00.2 7 a.go:1] it", "it", Severity.ERROR, "2026-01-02T12:00:00.25"),
        (b"2026-01-02T12:00:00Z stderr F W0102 12:00:00.2 7 a.go:1] it", "it", Severity.WARNING, "2026-01-02T12:00:00"),
    ],
)
def test_klog(raw: bytes, message: str, severity: Severity, at: str) -> None:
    entry = klog.parse(raw, UTC, datetime(2024, 6, 1, tzinfo=UTC))
    assert entry is not None
    assert (entry.message, entry.severity) == (message, severity)
    assert entry.time_us == microseconds(datetime.fromisoformat(at).replace(tzinfo=UTC))
    assert klog.begins(raw)


@pytest.mark.parametrize(
    "raw", [b"I1301 12:00:00.5 1 a.go:1] it", b"It 12:00:00.5 1 a.go:1] it", b"2026-01-02T12:00:00Z web1 app: it"]
)
def test_what_is_no_klog(raw: bytes) -> None:
    assert klog.parse(raw, UTC) is None
