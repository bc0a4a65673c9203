"""``lilfox logs`` and ``lilfox logs stats`` on a pattern: parallel logs, each with its rotated files."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from lilfox_tui.__main__ import main
from tests.services.lilfox_command import lilfox, running
from tests.waiting import wait_for

EACH = 300


def line(number: int) -> str:
    at = f"2026-11-24T10:{number // 60 % 60:02}:{number % 60:02}.{number // 3600:03}Z"
    level = "ERROR" if number % 9 == 0 else "INFO"
    return json.dumps({"timestamp": at, "level": level, "message": f"n {number}", "module": f"m{number % 4}"}) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three logs written in turns; of the first the older half is in a rotated file."""
    for name in range(3):
        lines = [line(number) for number in range(name, 3 * EACH, 3)]
        half = EACH // 2 if name == 0 else 0
        (tmp_path / f"svc{name}.log").write_text("".join(lines[half:]))
        if half:
            (tmp_path / f"svc{name}.log.1").write_text("".join(lines[:half]))
    return tmp_path


def test_all_logs_are_printed_by_time_and_counted(folder: Path) -> None:
    done = lilfox("logs", folder / "svc*", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    printed = [json.loads(each) for each in done.stdout.splitlines()]
    assert [each["message"] for each in printed] == [f"n {number}" for number in range(3 * EACH)]
    assert {each["source"] for each in printed} == {"svc*"}
    first = lilfox("logs", folder / "svc*", "--where", f"log={folder / 'svc0.log'}", "--json")
    assert [json.loads(each) for each in first.stdout.splitlines()] == printed[::3]
    assert {each["log"] for each in printed[1::3]} == {str(folder / "svc1.log")}
    tail = lilfox("logs", folder / "svc*", "--tail", "5", "--level", "error", "--json")
    assert [json.loads(each)["message"] for each in tail.stdout.splitlines()] == [
        f"n {number}" for number in range(855, 3 * EACH, 9)
    ]
    counted = json.loads(lilfox("logs", "stats", folder / "svc*", "--json").stdout)
    modules = Counter(f"m{number % 4}" for number in range(0, 3 * EACH, 9))
    assert counted["records"] == 3 * EACH
    assert counted["errors"]["total"] == 100
    assert counted["errors"]["by_module"] == modules


def test_following_prints_what_is_new_in_each_and_in_one_that_comes_later(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "printed.out"
    with running(("logs", folder / "svc*.log", "-f", "--tail", "1", "--json"), out):
        wait_for(lambda: "n 899" in out.read_text(), what="the last one")
        for number in range(900, 930):
            with (folder / f"svc{number % 3}.log").open("a") as log:
                log.write(line(number))
        wait_for(lambda: out.read_text().count("\n") == 31, what="what is new")
        (folder / "svc9.log").write_text(line(930))
        wait_for(lambda: "n 930" in out.read_text(), what="a log that comes later")
    printed = [json.loads(each)["message"] for each in out.read_text().splitlines()]
    assert printed == [f"n {number}" for number in range(899, 931)]


def test_a_pattern_needs_no_folder_and_a_file_of_such_a_name_is_that_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "svc[0].log").write_text(line(5000))
    assert lilfox("logs", "svc?.log", "--json").stdout.count("\n") == 3 * EACH - EACH // 2
    assert json.loads(lilfox("logs", "svc[0].log", "--json").stdout)["message"] == "n 5000"
    assert lilfox("logs", "svc?.txt").returncode == 1
    assert lilfox("logs", "svc.txt").returncode == 2


def test_a_log_that_may_not_be_read_is_told_and_the_others_are_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as open_folder:
        Path(open_folder).chmod(0o755)
        monkeypatch.setenv("XDG_CONFIG_HOME", open_folder)
        paths = [Path(open_folder, f"svc{number}.log") for number in range(2)]
        for number, path in enumerate(paths):
            path.write_text(line(number))
        assert main(["logs", f"{open_folder}/*.log", "--json"]) == 0  # all that is imported on the way is there now
        paths[1].chmod(0)
        capsys.readouterr()
        user = os.geteuid()
        os.seteuid(65534 if user == 0 else user)
        try:
            printed = main(["logs", f"{open_folder}/*.log", "--json"])
        finally:
            os.seteuid(user)
    told = capsys.readouterr()
    assert printed == 3, told.err
    assert re.search(r"svc1.log on \S+ is not readable", told.err)
    assert '"n 0"' in told.out
