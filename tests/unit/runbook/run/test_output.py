"""What is kept of an output: bounded, and without secrets wherever they are cut."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from lilfox_tui.core import i18n
from lilfox_tui.redact import MASK
from lilfox_tui.runbook.run.output import HEAD_BYTES, TAIL_BYTES, CommandOutput, StoredOutput, read_output

KEY = b"-----BEGIN RSA PRIVATE KEY-----\n" + b"MIIEcanaryAAAA\n" * 20 + b"-----END RSA PRIVATE KEY-----\n"
SECRETS = b"postgresql://u:canary1@db/x\npassword=canary2\nplain hunter2 word\n" + KEY
COLOURED = b'\x1b[34m"pass\x1b[0mword"\x1b[1m:\x1b[0m \x1b[32m"canary"\x1b[0m, hun\x1b[31mter\x1b[0m2\n'


@pytest.mark.fault("S22")
@pytest.mark.fault("S22")
@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_secrets_are_masked_however_they_come(tmp_path: Path, size: int) -> None:
    output = CommandOutput(tmp_path, "r", ["hunter2"])
    for at in range(0, len(SECRETS), size):
        output.add(SECRETS[at : at + size])
    kept = output.close()
    assert "canary" not in kept.text
    assert "hunter2" not in kept.text
    assert kept.text.startswith(f"postgresql://u:{MASK}@db/x\npassword={MASK}\nplain {MASK} word\n")
    assert read_output(tmp_path, "r") == kept
    assert (output.size_bytes, output.lines, output.left_out_bytes) == (len(SECRETS), SECRETS.count(b"\n"), 0)


@pytest.mark.fault("S22")
@pytest.mark.parametrize("size", [1, 1000])
def test_colours_part_no_secret_from_its_name(tmp_path: Path, size: int) -> None:
    output = CommandOutput(tmp_path, "r", ["hunter2"])
    for at in range(0, len(COLOURED), size):
        output.add(COLOURED[at : at + size])
    assert output.close().text == f'"password": {MASK}, {MASK}\n'


@pytest.mark.fault("S22")
@pytest.mark.parametrize("before", [0, 1, HEAD_BYTES - 200, HEAD_BYTES - 40, HEAD_BYTES, HEAD_BYTES + 5000])
@pytest.mark.parametrize("after", [0, 100, TAIL_BYTES - 100, TAIL_BYTES * 2 - 150, TAIL_BYTES * 2 + 40])
def test_no_secret_comes_out_of_where_the_middle_is_left_out(tmp_path: Path, before: int, after: int) -> None:
    output = CommandOutput(tmp_path, "r", ["hunter2"])
    output.add(b"x" * before + b"\n")
    for at in range(0, len(SECRETS), 50):
        output.add(SECRETS[at : at + 50])
    for _number in range(after // 100):
        output.add(b"y" * 99 + b"\n")
    output.add(b"z" * (TAIL_BYTES // 2))
    text = output.close().text
    assert "canary" not in text
    assert "hunter2" not in text
    assert (tmp_path / "r.head").read_text() + (tmp_path / "r.tail").read_text() if output.left_out_bytes else True


@pytest.mark.fault("S17")
@pytest.mark.parametrize("ended", [True, False])
def test_of_a_key_that_began_in_the_middle_nothing_is_told(tmp_path: Path, ended: bool) -> None:
    output = CommandOutput(tmp_path, "r")
    output.add(b"x\n" * HEAD_BYTES)
    output.add(b"-----BEGIN PRIVATE KEY-----\n")
    for _number in range(TAIL_BYTES // 100):
        output.add(b"canary" * 50 + b"\n")
    if ended:
        output.add(b"-----END PRIVATE KEY-----\nafter\n")
    text = output.close().text
    assert "canary" not in text
    assert text.endswith(f"{MASK}\nafter\n" if ended else MASK)


def test_a_hundred_megabytes_keep_head_tail_and_counts_in_little_memory(tmp_path: Path) -> None:
    block = b"".join(b"line %07d\n" % number for number in range(10_000))
    output = CommandOutput(tmp_path, "r")
    tracemalloc.start()
    for _number in range(100_000_000 // len(block)):
        output.add(block)
    kept = output.close()
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    total = 100_000_000 // len(block) * len(block)
    assert (output.size_bytes, output.lines) == (total, total // 13)
    assert kept.head.startswith("line 0000000\n")
    assert kept.tail.endswith("line 0009999\n")
    assert kept.left_out_bytes == total - len(kept.text)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < HEAD_BYTES + 3 * TAIL_BYTES
    assert read_output(tmp_path, "r") == kept


def test_a_line_without_an_end_is_a_line(tmp_path: Path) -> None:
    output = CommandOutput(tmp_path, "r")
    seen = []
    for block in (b"disk 91 %", b"", b" full\n", b"\n", b"done"):
        output.add(block)
        seen.append(output.lines)
    assert seen == [1, 1, 1, 2, 3]


def test_a_line_without_an_end_is_kept_too_and_seen_in_time(tmp_path: Path) -> None:
    output = CommandOutput(tmp_path, "r")
    output.add(b"a\nb")
    assert read_output(tmp_path, "r").text == "a\n"
    output.add(b"c")
    assert output.close().text == "a\nbc"


def test_what_the_host_left_out_is_no_count(tmp_path: Path) -> None:
    output = CommandOutput(tmp_path, "r")
    output.add(b"head\n")
    output.skip()
    output.add(b"tail\n")
    kept = output.close()
    assert (kept.head, kept.tail, output.uncounted) == ("head\n", "tail\n", True)


def test_evidence_says_what_is_left_out() -> None:
    assert StoredOutput(head="a\n").evidence == b"a\n"
    kept = StoredOutput(head="a\n", tail="z\n", left_out_bytes=7)
    assert kept.evidence.decode() == "a\n\n… 7 bytes omitted …\nz\n"
    i18n.set_language("zh_CN")
    assert "bytes" not in kept.evidence.decode()
