"""What grep prints with offsets and following lines, in any pieces."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from lilfox_tui.logs.files.log_file import Text
from lilfox_tui.logs.files.remote import _BY_LINE, GrepOutput
from tests.unit.logs.files.written import console_log


def taken(output: bytes, base: int, size: int) -> tuple[list[int], dict[int, Text], int | None]:
    printed, offsets, texts = GrepOutput(base), list[int](), dict[int, Text]()
    for at in range(0, len(output), size):
        found = printed.take(output[at : at + size])
        offsets += found.offsets
        texts |= found.texts
    return offsets, texts, printed.status


@pytest.mark.parametrize("size", [1, 7, 1000, 1_000_000])
def test_each_hit_has_the_file_from_its_line_on(tmp_path: Path, size: int) -> None:
    data = console_log(3, 300)
    path = tmp_path / "app.log"
    path.write_bytes(data)
    output = subprocess.run(
        ["grep", "-ab", "-A", "4", "-F", "-e", "token", "-e", "n=4", str(path)], capture_output=True, check=True
    ).stdout
    offsets, texts, status = taken(output + b"@0\n", 0, size)
    lines = [0, *(at + 1 for at, byte in enumerate(data) if byte == 10)][:-1]
    hits = [at for at in lines if any(word in data[at : data.index(b"\n", at)] for word in (b"token", b"n=4"))]
    assert offsets == hits
    assert status == 0
    assert set(texts) == set(hits)
    for hit, (line_at, text) in texts.items():
        assert line_at <= hit
        assert data[line_at : line_at + len(text)] == text
        assert line_at + len(text) > hit


def test_a_line_that_does_not_follow_is_not_taken_for_the_next() -> None:
    offsets, texts, status = taken(b"100:hit\n105-cut\n--\n300:other\n@1\n", 1000, 5)
    assert offsets == [1100, 1300]
    assert texts == {1100: (1100, b"hit\n"), 1300: (1300, b"other\n")}
    assert status == 1


def test_what_may_be_half_a_line_has_no_text() -> None:
    assert taken(b"0:half\n10:whole\n@0\n", 500, 100) == ([500, 510], {510: (510, b"whole\n")}, 0)
    assert taken(b"0:whole\n@0\n", 0, 100) == ([0], {0: (0, b"whole\n")}, 0)


@pytest.mark.parametrize("awk", [["awk"], ["busybox", "awk"]])
def test_awk_tells_the_same_where_grep_tells_no_offsets(awk: list[str]) -> None:
    made = random.Random(4)
    parts = (
        b"err",
        b"ERR",
        b"\0",
        b"\1",
        b"\xff",
        b"\xe4\xb8\xad",
        b"Traceback",
        b" x",
        b"\n",
        b"\n",
        b"\n",
        b"abc",
        b"\r",
    )
    data = b"".join(made.choice(parts) for _ in range(20_000)) + b"last err"
    shell = "LC_ALL=C; export LC_ALL; tr '\\0' '\\1' | \"$@\""
    words = ["sh", "-c", shell, "sh", *awk, "--", _BY_LINE, "3", "-i", "nowhere\nErr"]
    output = subprocess.run(words, input=data, capture_output=True, check=True).stdout
    offsets, texts, _status = taken(output + b"@0\n", 0, 4096)
    starts = [0, *(at + 1 for at, byte in enumerate(data) if byte == 10)]
    lines = {at: data[at : data.find(b"\n", at) if b"\n" in data[at:] else None] for at in starts}
    hits = [at for at, line in lines.items() if b"err" in line.lower()]
    assert offsets == hits
    assert set(texts) == {hit for hit in hits if not {0, 1} & set(lines[hit])}
    assert all((data + b"\n")[line_at : line_at + len(text)] == text for line_at, text in texts.values())
