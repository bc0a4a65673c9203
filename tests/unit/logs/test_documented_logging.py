"""The logging that docs/logging.md gives to applications, and the demo's, are read without a rest."""

from __future__ import annotations

import json
import logging
import re
import types
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from lilfox_tui.demo import service
from lilfox_tui.logs.record import LogEntry, Severity, load_format, recognise, split_records

PAGE = Path(__file__).parents[3] / "docs" / "logging.md"
CODE, USE = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def documented() -> types.ModuleType:
    module = types.ModuleType("documented_logging")
    exec(compile(CODE, str(PAGE), "exec"), module.__dict__)
    return module


SETUPS = {"documented": documented().setup_logging, "demo": service.setup_logging}


@pytest.fixture(params=list(SETUPS.values()), ids=list(SETUPS))
def logger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[logging.Logger]:
    setup: Callable[[str, Path], logging.Logger] = request.param
    made = setup(f"lilfox-{tmp_path.name}", tmp_path)
    yield made
    for handler in list(made.handlers):
        made.removeHandler(handler)
        handler.close()


def read(path: Path) -> list[LogEntry]:
    block = path.read_bytes()
    assert recognise(block) == "json_lines"
    entries = [load_format("json_lines").parse(raw, UTC) for _, raw in split_records(block, load_format("json_lines"))]
    assert None not in entries
    return [entry for entry in entries if entry is not None]


def test_every_key_is_read(logger: logging.Logger, tmp_path: Path) -> None:
    logger.info("取用户 %s", 7, extra={"request_id": "r1", "user_id": "u1", "response_time": 0.25})
    try:
        int("x")
    except ValueError:
        logger.exception("it failed")
    for path in (tmp_path / f"{logger.name}.log", tmp_path / f"{logger.name}-daily.log"):
        said, failed = read(path)
        assert (said.message, said.severity, said.logger) == ("取用户 7", Severity.INFO, logger.name)
        assert (said.module, said.response_time_s, said.fault) == ("test_documented_logging", 0.25, None)
        assert (said.fields["request_id"], said.fields["user_id"]) == ("r1", "u1")
        assert said.fields["function"] == "test_every_key_is_read"
        assert said.time_us is not None
        assert failed.time_us is not None
        assert 0 <= failed.time_us - said.time_us < 60_000_000
        assert failed.severity is Severity.ERROR
        assert failed.fault is not None
        assert failed.fault.type == "ValueError"
        assert failed.fault.text == json.loads(path.read_text(encoding="utf-8").splitlines()[1])["exception"]


def test_the_documented_time_means_the_same_everywhere(tmp_path: Path) -> None:
    formatter = documented().JSONFormatter()
    raw = formatter.format(logging.makeLogRecord({"created": 1767268800.25, "msg": "it", "levelname": "INFO"})).encode()
    for zone in (UTC, ZoneInfo("Asia/Shanghai")):
        entry = load_format("json_lines").parse(raw, zone)
        assert entry is not None
        assert entry.time_us == 1767268800_250_000


def test_what_the_page_shows_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = documented()
    exec(USE.replace("/var/log/lilfox", str(tmp_path)), module.__dict__)
    module.setup_logging("lilfox-backend", tmp_path)
    module.logger.error("once")
    for handler in list(module.logger.handlers):
        module.logger.removeHandler(handler)
        handler.close()
    said, failed, once = read(tmp_path / "lilfox-backend.log")
    assert (said.response_time_s, failed.fault and failed.fault.type, once.message) == (0.082, "KeyError", "once")
    console = capsys.readouterr().err.encode()
    assert recognise(console) == "console"
    shown = [load_format("console").parse(raw, UTC) for _, raw in split_records(console, load_format("console"))]
    assert [entry and (entry.severity, entry.fault and entry.fault.type) for entry in shown] == [
        (Severity.INFO, None),
        (Severity.ERROR, "KeyError"),
        (Severity.ERROR, None),
    ]
