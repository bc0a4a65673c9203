"""``lilfox logs`` and ``lilfox logs stats`` on real files, against counts that know nothing of them."""

from __future__ import annotations

import gzip
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lilfox_tui.cli.schemas import schema
from lilfox_tui.logs.analyze import NEWEST_MOST
from tests.bench import logs_made
from tests.bench.manual_scripts import analyze_errors, analyze_performance
from tests.services.lilfox_command import lilfox, running
from tests.services.sshd import SshdLab, sshd_lab
from tests.waiting import wait_for

RECORDS = 20_000
BROKEN = b'{"timestamp": "2026-03-01T00:00:00", "level": "ERR\n[1]\nnot json ERROR\n\n{}\n{"level": "CRITICAL"}\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of each kind: ``json.log``, ``nginx.log``, ``console.log``."""
    made = tmp_path_factory.mktemp("logs")
    for kind in ("json", "nginx", "console"):
        logs_made.make(made / f"{kind}.log", RECORDS, kind)
    with (made / "json.log").open("ab") as file:
        file.write(BROKEN)
    return made


def stats(*argv: str | Path, stdin: str | None = None) -> dict[str, Any]:
    done = lilfox("logs", "stats", *argv, "--json", stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, schema("logs-stats"))
    return document


def records(*argv: str | Path) -> list[dict[str, Any]]:
    done = lilfox("logs", *argv, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for each in found[:50]:
        jsonschema.validate(each, schema("logs"))
    return found


def test_statistics_of_json_are_those_of_the_manuals_scripts(folder: Path) -> None:
    file = folder / "json.log"
    found = stats(file)
    assert found["errors"] == analyze_errors(str(file))
    assert found["response_time"] == analyze_performance(str(file))
    assert found["records"] == RECORDS + 2
    assert found["errors"]["total"] > 500


def test_statistics_of_an_access_log_equal_an_independent_count(folder: Path) -> None:
    requests = [line.split('"')[1:3] for line in (folder / "nginx.log").read_text().splitlines()]
    newest = sum(int(status.split()[0]) >= 500 for _request, status in requests[-NEWEST_MOST:])
    failed = [request.split()[1].partition("?")[0] for request, status in requests if int(status.split()[0]) >= 500]
    assert stats(folder / "nginx.log") == {
        "records": RECORDS,
        "errors": {"total": len(failed), "by_type": {"Unknown": len(failed)}, "by_module": dict(Counter(failed))},
        "responses": {"records": NEWEST_MOST, "total": NEWEST_MOST, "status_5xx": newest},
        "response_time": None,
    }


def test_statistics_of_console_lines_equal_an_independent_count(folder: Path) -> None:
    text = (folder / "console.log").read_text()
    wholes = re.split(r"^(?=\d{4}-\d\d-\d\d \d\d:)", text, flags=re.MULTILINE)[1:]
    failed = [whole for whole in wholes if whole.split(" - ")[2] in ("ERROR", "CRITICAL")]
    types = Counter(whole.splitlines()[-1].partition(":")[0] if "Traceback" in whole else "Unknown" for whole in failed)
    modules = Counter(whole.split(" - ")[1] for whole in failed)
    assert stats(folder / "console.log") == {
        "records": RECORDS,
        "errors": {"total": len(failed), "by_type": dict(types), "by_module": dict(modules)},
        "responses": {"records": NEWEST_MOST, "total": 0, "status_5xx": 0},
        "response_time": None,
    }
    assert len(types) > 3


def test_failed_responses_count_beside_errors_whatever_their_level(tmp_path: Path) -> None:
    """A service that logs each request at INFO has no record at ERROR, though all of its requests fail."""
    line = '{{"timestamp": "2026-03-01T00:00:{:02}Z", "level": "INFO", "module": "web", "message": "{}"}}\n'
    codes = [502] * 9 + [404] * 2 + [200]
    text = "".join(line.format(at, f"GET /api/chat {code} in 0.0{at} s") for at, code in enumerate(codes))
    (tmp_path / "web.log").write_text(text + line.format(30, "took 512 ms"))
    (tmp_path / "db.log").write_text(line.format(40, "ready"))
    found = stats(tmp_path / "web.log", tmp_path / "db.log")
    assert (found["records"], found["errors"]["total"]) == (14, 0)
    assert found["responses"] == {"records": 14, "total": 12, "status_5xx": 9}
    assert stats("-", stdin=text)["responses"] == {"records": 12, "total": 12, "status_5xx": 9}
    only = stats(tmp_path / "web.log", "--where", "message~502")["responses"]
    assert only == {"records": 9, "total": 9, "status_5xx": 9}
    told = lilfox("logs", "stats", tmp_path / "web.log", tmp_path / "db.log").stdout
    assert "errors (level ERROR or above): 0\nresponses with status 5xx: 9 of 12\n" in told
    rows = {line.split()[0]: line.split()[1:4] for line in told.splitlines() if line.startswith(("  web", "  db"))}
    assert rows == {"web": ["13", "0", "9/12"], "db": ["1", "0", "-"]}


def test_statistics_of_a_packed_file_a_pipe_and_several_files(folder: Path, tmp_path: Path) -> None:
    plain = (folder / "json.log").read_bytes()
    packed = tmp_path / "old.log.gz"
    packed.write_bytes(gzip.compress(plain))
    found = stats(folder / "json.log")
    assert stats(packed) == found
    assert stats("-", stdin=plain.decode()) == found
    both = stats(packed, folder / "json.log")
    assert both["records"] == 2 * found["records"]
    assert both["response_time"]["p95"] == found["response_time"]["p95"]


def test_statistics_obey_a_filter(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "json.log").read_text().splitlines()[:RECORDS]]
    wanted = [line for line in lines if line["module"] == "orders" and line.get("response_time", 0) > 0.2]
    found = stats(folder / "json.log", "--where", "module=orders response_time>200ms")
    assert (found["records"], found["response_time"]["count"]) == (len(wanted), len(wanted))
    assert len(wanted) > 50


def test_statistics_for_people_are_tables_in_the_readers_language(folder: Path) -> None:
    done = lilfox("logs", "stats", folder / "json.log")
    assert done.returncode == 0
    assert f"records: {RECORDS + 2}\n" in done.stdout
    assert "not counted (not in the expected log format): 3\n" in done.stdout
    assert re.search(r"^ +\d+  OperationalError$", done.stdout, re.MULTILINE)
    assert re.search(r"^  2026-03-01 \d\d:\d\d +\d+ +\d+ +\d+ +0\.\d{3} s", done.stdout, re.MULTILINE)
    assert "响应时间" in lilfox("--language", "zh_CN", "logs", "stats", folder / "json.log").stdout


def test_records_are_printed_in_the_order_of_their_times_over_files(folder: Path) -> None:
    found = records(folder / "console.log", folder / "nginx.log", "--zone", "UTC", "--until", "2026-03-01T00:00:20Z")
    times = [each["time"] for each in found]
    assert len(found) == 2 * 2000
    assert times == sorted(times)
    assert {each["source"] for each in found} == {"console", "nginx"}


@pytest.mark.parametrize(
    ("option", "matches"),
    [
        (("--level", "error"), lambda line: line["level"] == "ERROR"),
        (("--grep", logs_made.RARE), lambda line: logs_made.RARE in line["message"]),
        (
            ("--where", "module=orders level>=warning"),
            lambda line: line["module"] == "orders" and line["level"] in ("WARNING", "ERROR"),
        ),
    ],
    ids=["level", "grep", "where"],
)
def test_what_matches_is_printed_and_nothing_else(folder: Path, option: tuple[str, str], matches: Any) -> None:
    lines = [json.loads(line) for line in (folder / "json.log").read_text().splitlines()[:RECORDS]]
    wanted = [line["request_id"] for line in lines if matches(line)]
    found = [each["fields"].get("request_id") for each in records(folder / "json.log", *option)]
    assert [one for one in found if one is not None] == wanted
    assert len(wanted) >= logs_made.RARE_TIMES


def test_tail_is_the_last_that_match(folder: Path) -> None:
    everything = records(folder / "json.log", folder / "nginx.log", "--level", "error", "--zone", "UTC")
    assert (
        records(folder / "json.log", folder / "nginx.log", "--level", "error", "--zone", "UTC", "--tail", "25")
        == everything[-25:]
    )


def test_what_a_log_says_does_not_reach_the_terminal_as_such(tmp_path: Path) -> None:
    file = tmp_path / "hostile.log"
    file.write_bytes(b"\x1b]52;c;aGk=\x07 \x9b2J \xe2\x80\xae [red]x[/red] \x00\xff\n")
    done = lilfox("logs", file)
    assert done.returncode == 0
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stdout)
    assert "[red]x[/red]" in done.stdout
    assert lilfox("logs", file, "--json").stdout.isascii()


def test_a_field_as_other_tools_write_it_is_said_to_be_text(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text('{"level": "ERROR", "message": "refused"}\n')
    done = lilfox("logs", tmp_path / "web.log", "--where", "level:error")
    told = "nothing matches: level:error is searched as text; level=error filters by level\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "", told)
    done = lilfox("logs", tmp_path / "web.log", "--where", "level=error", "--json")
    assert ("refused" in done.stdout, done.stderr) == (True, "")


def test_nothing_that_matches_exits_0(folder: Path) -> None:
    done = lilfox("logs", folder / "json.log", "--grep", "no such text at all")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_source_that_fails_is_told_and_the_others_are_printed(folder: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone.log"
    done = lilfox("logs", gone, folder / "json.log", "--tail", "1")
    assert (done.returncode, len(done.stdout.splitlines())) == (3, 1)
    assert ": no such file" in done.stderr
    assert lilfox("logs", gone).returncode == 1
    assert lilfox("logs", "stats", gone).returncode == 1
    assert lilfox("logs", "stats", gone, folder / "nginx.log").returncode == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), "no source or file named nowhere"),
        (("-", "other"), "cannot be combined"),
        (("-", "--level", "loud"), "unknown level loud"),
        (("-", "--where", "a="), "filter"),
        (("-", "--since", "someday"), "not a valid time: someday"),
        (("stats", "-", "-f"), "neither -f nor --tail"),
        (("-", "--tail", "0"), "not a number from 1"),
        (("--host", "nobody", "/x.log"), "no host named nobody"),
    ],
)
def test_a_wrong_word_exits_2_and_is_named(words: tuple[str, ...], said: str) -> None:
    done = lilfox("logs", *words, stdin="")
    assert done.returncode == 2
    assert said in done.stderr


def test_a_rotated_file_is_read_with_its_log_and_only_once(tmp_path: Path) -> None:
    for name, number in (("worker.log.1", 1), ("worker.log", 2)):
        (tmp_path / name).write_text(json.dumps({"level": "INFO", "message": f"n{number}"}) + "\n")
    for files in (["worker.log"], ["worker.log", "worker.log.1"]):
        found = records(*(tmp_path / name for name in files))
        assert [(each["message"], each["source"]) for each in found] == [("n1", "worker"), ("n2", "worker")]


def test_following_prints_what_is_new_once(tmp_path: Path) -> None:
    file = tmp_path / "app.log"
    line = '{"level": "%s", "message": "n%d"}\n'
    file.write_text("".join(line % ("INFO", number) for number in range(20)))
    output = tmp_path / "printed"
    printed = output.with_suffix(".out")
    with running(("logs", file, "-f"), output):
        wait_for(lambda: "n19" in printed.read_text(), what="the last records")
        with file.open("a") as more:
            more.write("".join(line % ("ERROR", number) for number in range(20, 1020)))
        wait_for(lambda: "n1019" in printed.read_text(), what="the new records")
    found = re.findall(r"\bn(\d+)$", printed.read_text(), re.MULTILINE)
    assert list(map(int, found)) == list(range(10, 1020))


@pytest.mark.fault("4.79")
def test_following_goes_on_through_a_rename_that_comes_right_behind_a_write(tmp_path: Path) -> None:
    file = tmp_path / "app.log"
    file.write_text("2026-11-28 10:00:00 INFO begun\n")
    output = tmp_path / "printed"
    printed = output.with_suffix(".out")
    written = 0
    with running(("logs", file, "-f"), output):
        wait_for(lambda: "begun" in printed.read_text(), what="the first record")
        for generation in range(5):
            for lines in (40, 20):
                with file.open("a") as more:
                    more.write("".join(f"2026-11-28 10:00:00 INFO n{written + at}\n" for at in range(lines)))
                written += lines
                if lines == 40:
                    file.rename(tmp_path / f"app.log.{9 - generation}")
            wait_for(lambda: f"n{written - 1}\n" in printed.read_text(), what=f"{written} records")  # noqa: B023
    found = re.findall(r"\bn(\d+)$", printed.read_text(), re.MULTILINE)
    assert list(map(int, found)) == list(range(written))
    assert output.with_suffix(".err").read_text() == ""


@pytest.mark.fault("4.82")
def test_following_a_file_that_is_written_to_takes_a_small_part_of_a_cpu(tmp_path: Path) -> None:
    file = tmp_path / "app.log"
    file.write_text("2026-11-28 10:00:00 INFO n0\n")
    output = tmp_path / "printed"
    printed = output.with_suffix(".out")
    with running(("logs", file, "-f"), output) as process:
        wait_for(lambda: "n0" in printed.read_text(), what="the first record")
        began_s, before_s = time.monotonic(), cpu_s(process.pid)
        for number in range(1, 31):  # 100 lines, as soon as those before were printed
            with file.open("a") as more:
                more.write("2026-11-28 10:00:00 INFO of 100 lines\n" * 99 + f"2026-11-28 10:00:00 INFO n{number}\n")
            wait_for(lambda: f"n{number}\n" in printed.read_text(), what=f"the records up to n{number}")  # noqa: B023
        took_s = cpu_s(process.pid) - before_s
    assert took_s < 0.3 + 0.1 * (time.monotonic() - began_s)


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process and its threads, and what it has started, took so far."""
    pids = [pid]
    for one in pids:
        pids += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
    stats = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in pids]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")


def test_a_pipe_is_printed_as_it_comes_and_ends_with_it() -> None:
    done = lilfox("logs", "-", "--level", "error", stdin="ERROR: one\nINFO: two\nERROR: three")
    assert done.returncode == 0
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["one", "three"]


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


def test_a_source_on_an_ssh_host_is_named_and_counted(lab: SshdLab, folder: Path, tmp_path: Path) -> None:
    server = lab.sshd()
    host = {
        "address": server.address,
        "port": server.port,
        "user": lab.host(server).user,
        "identity": str(lab.client_key),
    }
    config = tmp_path / "config.yaml"
    config.write_text(
        json.dumps(
            {
                "hosts": {"far": host},
                "ssh": {"config_files": [], "known_hosts": [str(lab.known_hosts)]},
                "logs": {"web": {"kind": "file", "host": "far", "path": str(folder / "nginx.log")}},
            }
        )
    )
    config.chmod(0o600)
    done = lilfox("--config", config, "logs", "web", "--level", "error", "--tail", "3")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3), done.stderr
    done = lilfox("--config", config, "logs", "stats", "--host", "far", folder / "nginx.log", "--json", timeout_s=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == stats(folder / "nginx.log")
