"""Logs that a runtime, a tool or a daemon wrapped are read as what is inside."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from lilfox_tui.config import log_formats
from lilfox_tui.config.loader import from_text
from lilfox_tui.logs import unwrap
from lilfox_tui.logs.filter.model import AtLeast, TextMatch
from lilfox_tui.logs.filter.needles import needles
from lilfox_tui.logs.record import LogEntry, Severity, load_format, microseconds, recognise, split_records

NOON_US = microseconds(datetime(2026, 1, 1, 12, tzinfo=UTC))
INFO, WARNING, ERROR, UNKNOWN = Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.UNKNOWN
AT = "2026-01-01T12:00:00"
JSON = '{"time":"2026-01-01T12:00:00Z","level":"error","msg":"it failed"}'
BUSY = '10.0.0.1 - - [01/Jan/2026:12:00:00 +0000] "GET /a HTTP/1.1" 502 7 "-" "curl"'
TRACEBACK = (
    "2026-01-01 12:00:00,000 ERROR shop.api: it failed",
    "Traceback (most recent call last):",
    '  File "a.py", line 1, in f',
    "ValueError: bad",
)

SPRING = (
    "\x1b[2m2026-01-01T12:00:00.000Z\x1b[0;39m \x1b[33m WARN\x1b[0;39m \x1b[35m7\x1b[0;39m \x1b[2m---\x1b[0;39m "
    "\x1b[2m[main]\x1b[0;39m \x1b[36mc.e.App   \x1b[0;39m \x1b[2m:\x1b[0;39m it failed"
)


def read(*lines: str, zone: str = "UTC") -> tuple[str, list[LogEntry]]:
    """Recognise the lines, and read them: each byte is of one record."""
    block = "".join(f"{line}\n" for line in lines).encode()
    kind = recognise(block)
    form = load_format(kind)
    records = split_records(block, form)
    assert b"\n".join(raw for _, raw in records) + b"\n" == block
    entries = [form.parse(raw, ZoneInfo(zone)) for _, raw in records]
    return kind, [entry for entry in entries if entry is not None]


def docker(line: str, *, end: str = "\n", at: str = f"{AT}.000000000Z") -> str:
    return json.dumps({"log": line + end, "stream": "stderr", "time": at}, separators=(",", ":"))


@pytest.mark.parametrize(
    ("wrap", "kind", "fields"),
    [
        (f"{AT}.123456789Z stdout F %s", "cri+", {"stream": "stdout"}),
        (f"{AT}.123456789+00:00 stderr F %s", "cri+", {"stream": "stderr"}),
        (f"{AT}.123456789Z %s", "stamp+", {}),
        ("[pod/web-7d4b9/app] %s", "kubectl+", {"pod": "web-7d4b9", "container": "app"}),
        (f"[pod/web-7d4b9/app] {AT}.123456789Z %s", "kubectl+stamp+", {"pod": "web-7d4b9"}),
        ("web-1     | %s", "compose+", {"container": "web-1"}),
        (f"web-1  | {AT}.123456789Z %s", "compose+stamp+", {"container": "web-1"}),
        ("\x1b[36mweb-1  |\x1b[0m %s", "colours+compose+", {"container": "web-1"}),
        ("/var/log/app/x.log:%s", "grep+", {"filename": "/var/log/app/x.log"}),
        ("x.log:17:%s", "grep+", {"filename": "x.log"}),
        ("x.log.1 %s", "file+", {"filename": "x.log.1"}),
        ("Jan  1 12:00:00 web1 app[7]: %s", "syslog+", {"host": "web1", "app": "app"}),
        ("<13>Jan  1 12:00:00 web1 app[7]: %s", "syslog+", {"host": "web1", "app": "app"}),
        (f"<14>1 {AT}Z web1 app 7 - - %s", "syslog+", {"host": "web1"}),
    ],
)
@pytest.mark.parametrize(
    ("line", "inner", "severity", "message"),
    [
        (JSON, "json_lines", ERROR, "it failed"),
        (BUSY, "access", ERROR, "GET /a HTTP/1.1 502"),
        ("2026/01/01 12:00:00 [error] 12#34: *56 it failed", "nginx_error", ERROR, "it failed"),
        (f'time="{AT}Z" level=error msg="it failed"', "logfmt", ERROR, "it failed"),
        ("2026-01-01 12:00:00,000 - shop - ERROR - it failed", "console", ERROR, "it failed"),
        ("E0101 12:00:00.000000       1 a.go:7] it failed", "klog", ERROR, "it failed"),
    ],
)
def test_what_is_inside_is_read(
    wrap: str, kind: str, fields: dict[str, str], line: str, inner: str, severity: Severity, message: str
) -> None:
    found, entries = read(*[wrap % line] * 5)
    assert found == f"{kind}{inner}" or (
        inner == "klog" and found.endswith(inner)
    )  # klog knows a runtime's time itself
    assert len(entries) == 5
    for entry in entries:
        assert (entry.severity, entry.message) == (severity, message)
        assert entry.time_us is not None
        assert abs(entry.time_us - NOON_US) < 1_000_000
        if "+" in found:
            assert {name: entry.fields.get(name) for name in fields} == fields


def test_a_docker_file_is_read_as_what_the_container_writes() -> None:
    kind, entries = read(docker(JSON), docker('{"level":"info","msg":"it runs"}', at=f"{AT}.5Z"))
    assert kind == "docker+json_lines"
    assert [(entry.severity, entry.message, entry.time_us) for entry in entries] == [
        (ERROR, "it failed", NOON_US),
        (INFO, "it runs", NOON_US + 500_000),  # the inner one has no time
    ]
    assert entries[0].fields["stream"] == "stderr"


@pytest.mark.parametrize("wrap", [docker, lambda line: f"{AT}.1Z stderr F {line}", lambda line: f"web-1  | {line}"])
def test_a_traceback_is_one_record(wrap) -> None:  # type: ignore[no-untyped-def]
    _kind, entries = read(*[wrap(line) for _ in range(3) for line in TRACEBACK])
    assert [(entry.severity, entry.logger, entry.time_us) for entry in entries] == [(ERROR, "shop.api", NOON_US)] * 3
    assert {entry.fault.type for entry in entries if entry.fault} == {"ValueError"}
    assert entries[0].message == "\n".join(("it failed", *TRACEBACK[1:]))


def test_a_traceback_beside_json_is_the_records() -> None:
    _kind, entries = read(*[f"{AT}Z stderr F {line}" for line in (JSON, *TRACEBACK[1:], JSON, JSON)])
    assert [entry.fault.type if entry.fault else "" for entry in entries] == ["ValueError", "", ""]
    assert {entry.severity for entry in entries} == {ERROR}


def test_parts_of_a_line_are_joined() -> None:
    """The runtime cuts lines of more than 16 KiB."""
    long = JSON.replace("it failed", "it failed " + "x" * 100)
    cri = [f"{AT}Z stdout P {long[:60]}", f"{AT}Z stdout P {long[60:90]}", f"{AT}Z stdout F {long[90:]}"]
    kind, entries = read(*[f"{AT}Z stdout F {JSON}"] * 4, *cri, f"{AT}Z stdout F {JSON}")
    assert kind == "cri+json_lines"
    assert [entry.message for entry in entries] == ["it failed"] * 4 + ["it failed " + "x" * 100, "it failed"]
    parts = [docker(long[:60], end=""), docker(long[60:])]
    kind, entries = read(*[docker(JSON)] * 4, *parts, docker(JSON))
    assert kind == "docker+json_lines"
    assert [entry.message for entry in entries] == ["it failed"] * 4 + ["it failed " + "x" * 100, "it failed"]


@pytest.mark.parametrize(
    ("line", "severity", "logger", "message"),
    [
        (f"\x1b[2m{AT}.000000Z\x1b[0m \x1b[31mERROR\x1b[0m \x1b[2mapi::users\x1b[0m\x1b[2m:\x1b[0m it failed",
         ERROR, "api::users", "it failed"),  # tracing
        (SPRING,
         WARNING, "c.e.App", "it failed"),  # Spring Boot
    ],
)  # fmt: skip
def test_colours_are_taken_off(line: str, severity: Severity, logger: str, message: str) -> None:
    kind, entries = read(*[line] * 3)
    assert kind == "colours+console"
    assert [(e.severity, e.logger, e.message, e.time_us) for e in entries] == [(severity, logger, message, NOON_US)] * 3


def test_coloured_lines_without_a_time() -> None:
    uvicorn = '\x1b[32mINFO\x1b[0m:     127.0.0.1:7 - "\x1b[1mGET / HTTP/1.1\x1b[0m" \x1b[32m200 OK\x1b[0m'
    _kind, entries = read(*[uvicorn] * 3)
    assert [(e.severity, e.message) for e in entries] == [(INFO, '127.0.0.1:7 - "GET / HTTP/1.1" 200 OK')] * 3


def test_several_formats_in_one_log() -> None:
    """Containers of a project, each with its own."""
    web = [f"web-1  | {BUSY}", "web-1  | 2026/01/01 12:00:00 [warn] 12#34: it is full"]
    db = ["db-1   | 2026-01-01 12:00:00.000 UTC [7] ERROR:  relation x does not exist",
          "db-1   | 2026-01-01 12:00:00.000 UTC [7] STATEMENT:  SELECT 1", "db-1   | \tFROM x"]  # fmt: skip
    api = [f"api-1  | {JSON}", "api-1  | it starts"]
    kind, entries = read(*(web + db + api) * 4)
    assert kind.startswith("compose+")
    assert len(entries) == 5 * 4
    assert [(e.severity, e.fields["container"]) for e in entries[:5]] == [
        (ERROR, "web-1"), (WARNING, "web-1"), (ERROR, "db-1"), (ERROR, "api-1"), (UNKNOWN, "api-1"),
    ]  # fmt: skip
    assert entries[2].fields["statement"] == "SELECT 1\nFROM x"
    assert entries[4].logger == "api-1"


def test_the_layers_time_tells_the_year_and_the_zone() -> None:
    stamped = "2024-12-31T23:30:00.000000000Z stdout F "
    _kind, entries = read(*[f"{stamped}2025-01-01 07:29:59,250 ERROR a.b: it"] * 3, zone="Europe/Berlin")
    expected = microseconds(datetime(2024, 12, 31, 23, 29, 59, 250_000, tzinfo=UTC))
    assert [entry.time_us for entry in entries] == [expected] * 3
    _kind, entries = read(*[f"{stamped}Dec 31 23:29:59 web1 cron[7]: it"] * 3, zone="Europe/Berlin")
    assert [entry.time_us for entry in entries] == [expected - 250_000] * 3
    _kind, entries = read(*[f'{stamped}{{"ts":"2024-12-31T20:00:00Z","msg":"late"}}'] * 3)
    assert {entry.time_us for entry in entries} == {microseconds(datetime(2024, 12, 31, 20, tzinfo=UTC))}


def test_names_of_files_that_tail_writes_are_records_of_their_own() -> None:
    kind, entries = read("==> /var/log/a.log <==", JSON, JSON, "", "==> /var/log/b.log <==", JSON)
    assert kind == "tail+json_lines"
    assert [entry.message.rstrip() for entry in entries] == [
        "==> /var/log/a.log <==", "it failed", "it failed", "==> /var/log/b.log <==", "it failed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ([f"{AT}.123456Z web1 app[7]: it runs"], "syslog"),
        (["2026-01-01 12:00:00,000 | ERROR | a.b | it"], "console"),
        ([f"{AT}.123456789Z  INFO tower_http::trace: it"], "console"),
        ([" id | name", "----+------", "  1 | a", "  2 | b"], "plain"),
        (["total: 7", "file.txt: 12"], "plain"),
        ([JSON], "json_lines"),
        (['{"log":"x","level":"info"}'], "json_lines"),
        (["Jan  1 12:00:00 web1 app[7]: it runs"], "syslog"),
        (["Jan  1 12:00:00 web1 app[7]: ERROR: it failed"], "syslog"),
        (["org.acme.Main: ERROR: it failed"], "plain"),
        (["/usr/sbin/cron: ERROR: it failed"], "plain"),
        ([f"ERROR | {AT} INFO it"], "plain"),
        ([f'{{"log":"x\\n","time":"{AT}Z","level":"info"}}'], "json_lines"),
    ],
)
def test_what_is_not_wrapped_is_read_as_before(lines: list[str], kind: str) -> None:
    assert read(*lines * 5)[0] == kind


def test_a_native_search_finds_what_is_inside() -> None:
    block = f"{docker(JSON)}\n{docker(BUSY)}\n".encode() * 3
    form = load_format(recognise(block))
    for where in (AtLeast(ERROR), TextMatch("it failed")):
        found = needles(where, form.LEVEL_WORDS)
        assert found is not None
        assert any(one in block for one in found.any_of)
    assert needles(TextMatch("it failed"), load_format("colours+console").LEVEL_WORDS) is None


def test_a_configuration_may_name_every_layer() -> None:
    assert set(log_formats.LAYERS) == set(unwrap.LAYERS)
    for layer in log_formats.LAYERS:
        text = f"logs: {{a: {{path: /x, format: {layer}+json_lines}}, b: {{path: /x, format: syslog+json_lines}}}}"
        assert from_text(text, "config.yaml").logs["a"].format == f"{layer}+json_lines"
        assert load_format(f"{layer}+json_lines").parse(b'{"message": "x"}', UTC) is not None
