"""``lilfox logs --stats-by`` on real files, against counts that know nothing of it."""

from __future__ import annotations

import gzip
import json
import statistics
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lilfox_tui.cli.schemas import schema
from tests.bench import logs_made
from tests.services.lilfox_command import lilfox

RECORDS = 20_000


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("logs") / "json.log"
    logs_made.make(made, RECORDS, "json")
    return made


def groups(*argv: str | Path, stdin: str | None = None) -> list[dict[str, Any]]:
    done = lilfox("logs", *argv, "--json", stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("logs-stats-by"))
    found: list[dict[str, Any]] = document["groups"]
    return found


def test_groups_equal_an_independent_count(file: Path) -> None:
    expected: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for line in map(json.loads, file.read_text().splitlines()):
        second = datetime.fromisoformat(line["timestamp"]).replace(tzinfo=UTC).timestamp()
        expected[line["module"], int(second // 5 * 5)].append(line)
    found = groups(file, "--zone", "UTC", "--stats-by", "module", "--over", "5s")
    assert sum(group["records"] for group in found) == RECORDS
    assert [group["since"] for group in found] == sorted(group["since"] for group in found)
    assert len(found) == len(expected) > 10
    for group in found:
        lines = expected[group["values"]["module"], int(datetime.fromisoformat(group["since"]).timestamp())]
        took = sorted(line["response_time"] for line in lines if "response_time" in line)
        assert group["records"] == len(lines)
        assert group["errors"] == sum(line["level"] in ("ERROR", "CRITICAL") for line in lines)
        numbers = group["numbers"]
        assert (numbers["count"], numbers["min"], numbers["max"]) == (len(took), took[0], took[-1])
        assert numbers["mean"] == pytest.approx(statistics.fmean(took))
        assert numbers["p95"] == took[-(-95 * len(took) // 100) - 1]


def test_a_packed_file_a_pipe_and_two_files_give_the_same(file: Path, tmp_path: Path) -> None:
    words = ("--stats-by", "level,module")
    whole = groups(file, *words)
    packed = tmp_path / "old.log.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert groups(packed, *words) == whole
    assert groups("-", *words, stdin=file.read_text()) == whole
    both = groups(packed, file, *words)
    assert [group["records"] for group in both] == [2 * group["records"] for group in whole]
    assert [group["numbers"] and group["numbers"]["p99"] for group in both] == [
        group["numbers"] and group["numbers"]["p99"] for group in whole
    ]


def test_a_filter_and_any_number(file: Path) -> None:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    wanted = [line for line in lines if line["module"] == "orders" and line.get("response_time", 0) > 0.2]
    (found,) = groups(file, "--where", "module=orders response_time>200ms", "--stats-of", "response_time")
    assert (found["records"], found["values"], found["since"]) == (len(wanted), {}, None)
    assert found["numbers"]["count"] == len(wanted) > 50


def test_people_get_a_table_with_bars_and_gaps(tmp_path: Path) -> None:
    file = tmp_path / "app.log"
    line = '{{"time": "2026-03-01T10:{:02}:00Z", "level": "{}", "host": "{}", "took": "{}ms", "message": "x"}}\n'
    rows = [(0, "INFO", "a", 10), (1, "ERROR", "\x1b[31mb", 30), (1, "INFO", "a", 20), (21, "INFO", "a", 40)]
    file.write_text("".join(line.format(*row) for row in rows).replace("\x1b", "\\u001b"))
    done = lilfox("logs", file, "--over", "10m", "--stats-of", "took")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "records: 4",
        "time              records  errors  took  mean   P50   P95   P99   max",
        "2026-03-01 10:00        3       1     3  0.02  0.02  0.03  0.03  0.03  ████████████████████",
        "2026-03-01 10:10        0       0     -     -     -     -     -     -",
        "2026-03-01 10:20        1       0     1  0.04  0.04  0.04  0.04  0.04  ███████",
    ]
    done = lilfox("logs", "stats", file, "--stats-by", "host,hots", "--stats-of", "message")
    assert "\x1b" not in done.stdout
    assert done.stderr.splitlines() == [
        "no record has the field hots",
        "no record has a number in the field message",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--stats-by", "a,,b"), "a,,b does not name 1 to 4 fields"),
        (("--stats-by", "a,b,c,d,e"), "does not name 1 to 4 fields"),
        (("--over", "soon"), "soon is not a duration"),
        (("--stats-by", "status", "-f"), "neither -f nor --tail"),
    ],
)
def test_a_wrong_word_exits_2_and_is_named(words: tuple[str, ...], said: str) -> None:
    done = lilfox("logs", "-", *words, stdin="")
    assert done.returncode == 2
    assert said in done.stderr
    assert lilfox("logs", "--stats-by", "status", "/nowhere/app.log").returncode == 1
