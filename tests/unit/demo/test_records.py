from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from lilfox_tui.demo.service import setup_logging

KEYS = ["timestamp", "level", "logger", "message", "module", "function", "line"]


@pytest.fixture
def logger(tmp_path: Path) -> Iterator[logging.Logger]:
    made = setup_logging(f"lilfox-{tmp_path.name}", tmp_path, max_bytes=4096, backup_count=3)
    yield made
    for writer in list(made.handlers):
        made.removeHandler(writer)
        writer.close()


def test_a_record_has_the_manuals_keys_in_its_order(logger: logging.Logger, tmp_path: Path) -> None:
    logger.info("hello %s", "fox", extra={"request_id": "r1", "user_id": "u1", "response_time": 0.25})
    record = json.loads((tmp_path / f"{logger.name}.log").read_text())
    assert list(record) == [*KEYS, "request_id", "user_id", "response_time"]
    assert (record["message"], record["response_time"]) == ("hello fox", 0.25)
    assert record["function"] == "test_a_record_has_the_manuals_keys_in_its_order"
    assert datetime.fromisoformat(record["timestamp"]).tzinfo is None


def test_an_exception_is_one_line_of_json_with_its_traceback(logger: logging.Logger, tmp_path: Path) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logger.exception("failed")
    (line,) = (tmp_path / f"{logger.name}.log").read_text().splitlines()
    record = json.loads(line)
    assert record["level"] == "ERROR"
    assert record["exception"].startswith("Traceback")
    assert "ValueError: two\nlines" in record["exception"]


def test_the_log_rotates_by_size_and_the_daily_file_does_not(logger: logging.Logger, tmp_path: Path) -> None:
    for number in range(100):
        logger.info("record %d", number)
    names = {path.name for path in tmp_path.iterdir()}
    name = logger.name
    assert names == {f"{name}.log", f"{name}.log.1", f"{name}.log.2", f"{name}.log.3", f"{name}-daily.log"}
    assert len((tmp_path / f"{name}-daily.log").read_text().splitlines()) == 100
