"""Which folders of demos are taken for leftovers."""

from __future__ import annotations

import json
import logging
import os
import random
import re
import signal
import subprocess
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import lilfox_tui.demo
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import in_language
from lilfox_tui.demo import stack
from lilfox_tui.demo.control_socket import parse_fault
from lilfox_tui.demo.http import SharedFolder, remove_left
from lilfox_tui.demo.service import _SLOW_S, _WORK_S, BOUNDS, RequestCount, resident_bytes, setup_logging
from lilfox_tui.runbook.parse.document import read


def _left(place: Path, name: str = "lilfox-demo-left") -> Path:
    """A folder as a demo leaves it whose processes were all killed: marked, and locked by nobody."""
    (place / name / "logs").mkdir(parents=True)
    (place / name / "logs" / "lilfox-model.log").write_text("x")
    (place / name / ".lilfox-demo").touch()
    return place / name


def test_only_our_own_marked_folders_that_nobody_holds_are_removed(tmp_path: Path) -> None:
    place = tmp_path / "tmp"
    left = _left(place)
    used = SharedFolder.made(place)
    assert (used.folder / ".lilfox-demo").exists(), "it is known by the same mark"
    by_service = SharedFolder(_left(place, "lilfox-demo-service"))
    unmarked = _left(place, "lilfox-demo-unmarked")
    (unmarked / ".lilfox-demo").unlink()
    named_otherwise = _left(place, "notes")
    (place / "lilfox-demo-link").symlink_to(_left(tmp_path, "elsewhere"))
    (place / "lilfox-demo-file").touch()
    kept = set(place.iterdir()) - {left}

    remove_left(place)

    assert set(place.iterdir()) == kept
    assert {used.folder, by_service.folder, unmarked, named_otherwise} < kept
    assert (tmp_path / "elsewhere" / "logs").exists()
    for each in (used, by_service):
        each.leave()
        assert not each.folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder away")
def test_that_of_another_user_stays(tmp_path: Path) -> None:
    folder = _left(tmp_path)
    os.chown(folder, 65534, -1)
    remove_left(tmp_path)
    assert folder.exists()


def test_the_last_one_removes_all_of_it_also_where_its_parents_end_comes_meanwhile(tmp_path: Path) -> None:
    code = """
import os, shutil, signal, sys
from pathlib import Path
from lilfox_tui.demo import http
remove = shutil.rmtree
def told_to_end(folder, **options):
    os.kill(os.getpid(), signal.SIGTERM)
    remove(folder, **options)
http.shutil.rmtree = told_to_end
http.SharedFolder.made(Path(sys.argv[1])).leave()
"""
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert list(tmp_path.iterdir()) == []
    assert ended.returncode == -signal.SIGTERM


def test_buckets_add_up_and_the_last_holds_all() -> None:
    count = RequestCount()
    for seconds in (0.001, 0.005, 0.3, 99.0):
        count.took("GET", "/api", 200, seconds)
    lines = count.text().splitlines()
    labels = 'method="GET",route="/api"'
    assert f'http_request_duration_seconds_bucket{{{labels},le="0.005"}} 2' in lines
    assert f'http_request_duration_seconds_bucket{{{labels},le="0.5"}} 3' in lines
    assert f'http_request_duration_seconds_bucket{{{labels},le="+Inf"}} 4' in lines
    assert f"http_request_duration_seconds_count{{{labels}}} 4" in lines
    assert f"http_request_duration_seconds_sum{{{labels}}} 99.306000" in lines
    assert f'http_requests_total{{{labels},status="200"}} 4' in lines


@pytest.mark.parametrize("slow_s", [0.0, _SLOW_S])
@pytest.mark.parametrize("services", [("model",), ("backend", "model"), ("gateway", "backend", "model")])
def test_no_bucket_holds_so_many_responses_that_a_quantile_is_its_bound(
    services: tuple[str, ...], slow_s: float
) -> None:
    chance = random.Random(7)
    times = [slow_s + sum(chance.expovariate(1 / _WORK_S[name]) for name in services) for _each in range(4000)]
    found = Counter(bisect_left(BOUNDS, seconds) for seconds in times)
    assert max(found.values()) < 0.25 * len(times)
    assert list(BOUNDS) == sorted(BOUNDS)


def test_promtool_has_nothing_to_say() -> None:
    count = RequestCount()
    count.took("GET", "/api", 500, 0.1)
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=count.text().encode(), capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_resident_memory_is_this_process() -> None:
    resident = resident_bytes()
    assert resident is not None
    assert 5_000_000 < resident < 2_000_000_000


def test_a_fault_is_service_and_kind() -> None:
    assert parse_fault("backend:5xx") == ("backend", "5xx")


@pytest.mark.parametrize("text", ["", "backend", "backend:", "backend:fire", "nobody:5xx", "backend:none"])
def test_what_does_not_exist_is_refused_with_what_does(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_fault(text)
    assert "gateway" in str(caught.value.hint)
    assert "unhealthy" in str(caught.value.hint)


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


def test_how_busy_the_machine_is_comes_after_the_faults_of_the_demo() -> None:
    rules = (Path(lilfox_tui.demo.__file__).parent / "rules.yml").read_text()
    severity = dict(re.findall(r"alert: (\w+)\n(?:.*\n)+?.*severity: (\w+)", rules))
    assert severity == {
        "HighErrorRate": "critical",
        "HighLatency": "warning",
        "HighCPUUsage": "info",
        "HighMemoryUsage": "info",
    }


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("curl", ["/usr/bin/curl", None])
def test_only_healing_and_its_rollback_change_something_in_the_runbook(
    monkeypatch: pytest.MonkeyPatch, language: str, curl: str | None
) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: curl)
    with in_language(language), TemporaryDirectory(dir="/tmp") as place:  # not in /dev, of which reading may act
        logs = {"model": Path(place, "logs/lilfox-model.log")}
        stack.write_config(Path(place), {}, logs, host="vm", database=False)
        (runbook,) = read(Path(place, "runbooks/demo-service.md")).runbooks
    patterns = [each.attributes.unchanged for step in runbook.steps for each in step.commands]
    assert [each for each in patterns if each] == ["nothing was changed"], "what heal says where there is no fault"
    kinds = {each.attributes.name: each.kind for step in runbook.steps for each in step.commands}
    healthy = "read" if curl else "change"  # its own command, which nobody knows
    assert kinds == {"look": "read", "log": "read", "heal": "change", "healthy": healthy, "undo-heal": "change"}
