from __future__ import annotations

import json
import math
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.logs.formats import json_lines
from lilfox_tui.logs.record import RAW_LIMIT, LogEntry, Severity, microseconds
from lilfox_tui.logs.structured import SYSLOG

NOON_US = microseconds(datetime(2026, 1, 1, 12, tzinfo=UTC))
MANUAL = {
    "timestamp": "2026-01-01T12:00:00.250000",
    "level": "ERROR",
    "logger": "lilfox-backend",
    "message": "查询失败",
    "module": "users",
    "function": "get_user",
    "line": 42,
    "exception": 'Traceback (most recent call last):\n  File "users.py", line 42\npsycopg.OperationalError: refused',
    "request_id": "r1",
    "user_id": "u1",
    "response_time": 0.25,
}


def read(fields: object, zone: tzinfo = UTC) -> LogEntry:
    entry = json_lines.parse(json.dumps(fields).encode(), zone)
    assert entry is not None
    return entry


def test_the_manuals_record() -> None:
    entry = read(MANUAL)
    assert entry.message == "查询失败"
    assert entry.time_us == NOON_US + 250_000
    assert (entry.severity, entry.logger, entry.module) == (Severity.ERROR, "lilfox-backend", "users")
    assert entry.fault is not None
    assert (entry.fault.type, entry.fault.text) == ("OperationalError", MANUAL["exception"])
    assert entry.response_time_s == 0.25
    assert entry.fields == MANUAL


def test_the_manuals_exception_as_its_analysis_has_it() -> None:
    entry = read({**MANUAL, "exception": {"type": "psycopg.OperationalError", "message": "refused"}})
    assert entry.fault is not None
    assert (entry.fault.type, entry.fault.text) == ("OperationalError", "refused")


def test_a_time_without_offset_is_of_the_given_zone() -> None:
    assert read(MANUAL, ZoneInfo("Asia/Shanghai")).time_us == NOON_US + 250_000 - 8 * 3_600_000_000
    assert read({"timestamp": "2026-01-01T12:00:00Z"}, ZoneInfo("Asia/Shanghai")).time_us == NOON_US


BUNYAN = (Severity.TRACE, Severity.DEBUG, Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL)
PYTHON = BUNYAN[1:]
OPEN_TELEMETRY = BUNYAN


@pytest.mark.parametrize(
    "fields",
    [
        {"ts": 1767268800.0},
        {"time": 1767268800_000},
        {"time": "2026-01-01T12:00:00Z"},
        {"@timestamp": "2026-01-01T12:00:00.000Z"},
        {"@t": "2026-01-01T12:00:00.0000000Z"},
        {"asctime": "2026-01-01 12:00:00,000"},
        {"Timestamp": "2026-01-01 12:00:00"},
        {"timeMillis": 1767268800_000},
        {"instant": {"epochSecond": 1767268800, "nanoOfSecond": 999}},
        {"timestamp": "1767268800"},
        {"t": {"$date": "2026-01-01T12:00:00.000+00:00"}},
        {"time_local": "01/Jan/2026:20:00:00 +0800"},
    ],
)
def test_time(fields: dict[str, object]) -> None:
    assert read(fields).time_us == NOON_US


@pytest.mark.fault("4.87")
@pytest.mark.parametrize(
    ("fields", "severity"),
    [
        ({"level": "error"}, Severity.ERROR),
        ({"lvl": "WARN"}, Severity.WARNING),
        ({"severity": "Warning"}, Severity.WARNING),
        ({"levelname": "CRITICAL"}, Severity.CRITICAL),
        ({"log.level": "debug"}, Severity.DEBUG),
        ({"log": {"level": "fatal"}}, Severity.CRITICAL),
        ({"@l": "Information"}, Severity.INFO),
        ({"LogLevel": "Error"}, Severity.ERROR),
        *(({"level": 10 * number}, of) for number, of in enumerate(BUNYAN, 1)),
        *(({"level": 10 * number, "lineno": 7}, of) for number, of in enumerate(PYTHON, 1)),
        *(({"levelno": 10 * number}, of) for number, of in enumerate(PYTHON, 1)),
        *(({"level": number, "short_message": "x"}, of) for number, of in enumerate(SYSLOG)),
        *(({"severity": number, "facility": 3}, of) for number, of in enumerate(SYSLOG)),
        *(({"severityNumber": number}, OPEN_TELEMETRY[(number - 1) // 4]) for number in range(1, 25)),
        *(({"level": number}, Severity.UNKNOWN) for number in range(-5, 8)),
        ({"level": 1, "level_name": "INFO"}, Severity.INFO),
        ({"level": 200, "level_name": "INFO", "channel": "app"}, Severity.INFO),
        ({"level": 30, "levelname": "WARNING"}, Severity.WARNING),
        ({"level": 1, "severityText": "Error"}, Severity.ERROR),
        ({"severityNumber": 25}, Severity.UNKNOWN),
        ({"level": "30"}, Severity.UNKNOWN),
        ({"level": 50.0}, Severity.UNKNOWN),
        ({"level": 35}, Severity.UNKNOWN),
        ({"level": True}, Severity.UNKNOWN),
        ({"level": "so so"}, Severity.UNKNOWN),
        ({"level": None}, Severity.UNKNOWN),
        ({"severity": 3}, Severity.UNKNOWN),
        ({}, Severity.UNKNOWN),
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_severity_and_the_words_it_is_found_by(
    fields: dict[str, object], severity: Severity, separators: tuple[str, str]
) -> None:
    for written in (fields, {**fields, "msg": "x"}):
        raw = json.dumps(written, separators=separators).encode()
        entry = json_lines.parse(raw, UTC)
        assert entry is not None
        assert entry.severity is severity
        words = json_lines.LEVEL_WORDS.get(severity, ())
        assert severity is Severity.UNKNOWN or any(word.lower() in raw.lower() for word in words)


def test_an_info_record_of_pino_holds_no_word_of_an_error() -> None:
    raw = b'{"level":30,"time":1767268800000,"pid":3,"responseTime":50,"msg":"level 50"}'
    for severity in (Severity.ERROR, Severity.CRITICAL):
        assert not [word for word in json_lines.LEVEL_WORDS[severity] if word.lower() in raw.lower()]


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"response_time": 0.25}, 0.25),
        ({"response_time": 1}, 1.0),
        ({"response_time_ms": 250}, 0.25),
        ({"duration": "250ms"}, 0.25),
        ({"duration": "1.5s"}, 1.5),
        ({"duration": "0.25"}, 0.25),
        ({"duration_us": 250_000}, 0.25),
        ({"elapsed_ns": 250_000_000}, 0.25),
        ({"latency": "250µs"}, 0.00025),
        ({"durationMs": 250}, 0.25),
        ({"responseTime": 250}, 0.25),
        ({"event.duration": 250_000_000}, 0.25),
        ({"duration": 9.0, "response_time": 0.25}, 0.25),
        ({"response_time": -1.0}, None),
        ({"response_time": True}, None),
        ({"response_time": "soon"}, None),
        ({"response_time": None}, None),
        ({"response_time": math.nan}, None),
        ({"response_time": math.inf}, None),
        ({"response_time": 10**400}, None),
    ],
)
def test_response_time(fields: dict[str, object], seconds: float | None) -> None:
    found = read(fields).response_time_s
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"err": {"type": "TypeError", "message": "m", "stack": "TypeError: m\n    at f"}}, "TypeError"),
        ({"exc_info": "Traceback (most recent call last):\n  File\nKeyError: 'x'"}, "KeyError"),
        ({"exception": {"class": "a.b.C", "stacktrace": "a.b.C: x\n\tat d"}}, "C"),
        ({"thrown": {"name": "java.io.IOException", "message": "full"}}, "IOException"),
        ({"stack_trace": "java.io.IOException: full\n\tat c.e.Disk.write(Disk.java:7)"}, "IOException"),
        ({"error.type": "java.io.IOException", "error.message": "full"}, "IOException"),
        ({"error": {"type": "IOException", "stack_trace": "s"}}, "IOException"),
        ({"error": "dial tcp: refused"}, None),
        ({"error": "ValueError: x"}, "ValueError"),
        ({"exception": "it failed"}, "Unknown"),
        ({"exception": None, "err": None}, None),
        ({"level": "ERROR"}, None),
    ],
)
def test_fault(fields: dict[str, object], fault: str | None) -> None:
    found = read(fields).fault
    assert (found and found.type) == fault


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"msg": "m", "logger": "l", "caller": "api/users.go:42"}, ("m", "l", "api/users.go")),
        ({"event": "m", "logger_name": "l", "filename": "a.py"}, ("m", "l", "a.py")),
        ({"fields": {"message": "m"}, "target": "l::x"}, ("m", "l::x", "")),
        ({"short_message": "m", "name": "l", "source": {"file": "x"}}, ("m", "l", "")),
        ({"log": "m\n", "stream": "stdout"}, ("m", "", "")),
        ({"message": 7}, ("7", "", "")),
        ({"message": {"a": 1}}, ('{"message": {"a": 1}}', "", "")),
        ({"a": 1}, ('{"a": 1}', "", "")),
    ],
)
def test_message_logger_and_module(fields: dict[str, object], expected: tuple[str, str, str]) -> None:
    entry = read(fields)
    assert (entry.message, entry.logger, entry.module) == expected


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'{"message":"a\xffb"}', "a\ufffdb"),
        (b'{"message":"a\x01b"}', "a\x01b"),
        (b'{"message":"a\\ud800b"}', "a\ufffdb"),
        (b'{"message":"\\ud83e\\udd8a \\\\ud800"}', "\U0001f98a \\ud800"),
        (b'{"message":"a","x":NaN,"y":1e400}', "a"),
        (b'{"message":"a","x":' + b"9" * 4000 + b"}", "a"),
        (b'\xef\xbb\xbf{"message":"a"}', "a"),
        (b' {"message":"a"} \r', "a"),
        (b"\0" * 100 + b'{"message":"a"}', "a"),
    ],
)
def test_what_is_not_quite_json(raw: bytes, message: str) -> None:
    entry = json_lines.parse(raw, UTC)
    assert entry is not None
    assert entry.message == message
    entry.message.encode()


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[1]", b'"x"', b"7", b"null", b'{"a":1} x', b'{"a"', b"Traceback", b'{"a":' * 100_000, b"[" * 100_000],
)
def test_what_is_no_object_is_no_record(raw: bytes) -> None:
    assert json_lines.parse(raw[: RAW_LIMIT - 1], UTC) is None


def test_of_a_record_that_was_cut_the_fields_before_the_cut_are_read() -> None:
    whole = json.dumps({**MANUAL, "tags": [1, {"a": "}"}], "body": "x" * RAW_LIMIT, "after": 1}).encode()
    entry = json_lines.parse(whole[:RAW_LIMIT], UTC)
    assert entry is not None
    assert (entry.severity, entry.time_us, entry.response_time_s) == (Severity.ERROR, NOON_US + 250_000, 0.25)
    assert list(entry.fields) == [*MANUAL, "tags", "body"]
    assert entry.fault is not None
    assert entry.fault.type == "OperationalError"


def test_a_number_that_was_cut_is_none() -> None:
    start = b'{"level":"ERROR","x\\q":1,"response_time":'
    raw = start + b" " * (RAW_LIMIT - len(start) - 1) + b"25"
    entry = json_lines.parse(raw[:RAW_LIMIT], UTC)
    assert entry is not None
    assert (entry.severity, entry.response_time_s, list(entry.fields)) == (Severity.ERROR, None, ["level", "x\\q"])


@pytest.mark.parametrize(("unit", "said"), [("a\n", "a\na\n"), ("\\", "\\\\"), ("中", "中中"), ("🦊", "🦊🦊")])
@pytest.mark.parametrize("over", range(13))
def test_a_text_that_was_cut_is_read_to_the_cut(unit: str, said: str, over: int) -> None:
    raw = (json.dumps({"n": "x" * over})[:-1] + ', "message": ' + json.dumps(unit * RAW_LIMIT)).encode()
    entry = json_lines.parse(raw[:RAW_LIMIT], UTC)
    assert entry is not None
    assert entry.message.startswith(said)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.text(max_size=9), scalars, max_size=3)
NAMES = (
    "level",
    "time",
    "ts",
    "message",
    "msg",
    "exception",
    "err",
    "error",
    "duration",
    "latency_ms",
    "log",
    "fields",
)
names = st.sampled_from([*NAMES, "instant", "logger", "caller", "error.type"])


@given(st.dictionaries(names | st.text(max_size=9), values, max_size=8))
def test_any_object_is_a_record(fields: dict[str, object]) -> None:
    assert isinstance(read(fields), LogEntry)
