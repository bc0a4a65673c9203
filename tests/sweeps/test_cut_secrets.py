"""A text is masked before it is cut: half a secret, as a limit leaves it, is not recognised."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from lilfox_tui.core.text import between_words
from lilfox_tui.hosts.process import last_words
from lilfox_tui.jobs.writer import OutputLog, fit_text
from lilfox_tui.redact import redact, redacted_end, redacted_start
from tests.unit.redact.secret_shapes import BASE64, Maker, secret_texts

LINES = [
    (text, secrets)
    for text, secrets in secret_texts(5)
    if "\n" not in text and not any(secret in redact(f"x {text} y") for secret in secrets)
]
"""Those that are known within a line."""


def left(shown: str, secrets: list[str]) -> list[str]:
    """Of each secret, eight characters that are to be seen."""
    return [part for each in secrets for part in {each[:8], each[-8:]} if len(part) == 8 and part in shown]


@pytest.mark.fault("4.35")
@pytest.mark.parametrize("most", [40, 300, 2000])
def test_the_first_characters_hold_no_half_of_a_secret(most: int) -> None:
    rest = random.Random(most)
    for text, secrets in LINES[most % 7 :: 7]:
        before = "x " * rest.randrange(most // 2)
        for whole in (f"{before}{text}", f"{before}{text} {'y ' * 40_000}", f"{'z ' * 32_740}{text} more"):
            assert left(redacted_start(whole, most), secrets) == []
            assert left(redacted_start(whole.encode(), most), secrets) == []
        assert left(fit_text(f"{'a ' * 990}{text}"), secrets) == []


@pytest.mark.fault("4.35")
def test_a_secret_that_was_masked_makes_no_room_for_one_that_is_cut() -> None:
    make = Maker(1)
    text = f"password={make.word(65_500)} token={make.word(40)} end"
    assert left(redacted_start(text, 300), make.secrets) == []


@pytest.mark.fault("4.35")
def test_the_last_characters_hold_no_secret_whose_name_is_cut_off() -> None:
    for text, secrets in LINES[::2]:
        whole = f"{text}\nand what was wrong"
        for at in range(0, len(text), 3):
            assert left(redacted_end(whole[at:], 300, cut=at > 0), secrets) == []


@pytest.mark.fault("4.35")
def test_the_last_line_of_an_error_is_no_line_of_a_key() -> None:
    make = Maker(2)
    lines = "\n".join(make.word(64, BASE64) for _line in range(4))
    assert left(last_words(f"failed\n-----BEGIN PRIVATE KEY-----\n{lines}".encode()), make.secrets) == []


def logged(path: Path, text: bytes, step: int) -> str:
    """What an output log writes of ``text`` that comes in blocks."""
    log = OutputLog.__new__(OutputLog)
    log._file, log._room, log._left_out = os.open(path, os.O_WRONLY | os.O_CREAT), 1 << 20, 0
    log._rest, log._in_key = b"", False
    for at in range(0, len(text), step):
        log._take(text[at : at + step])
    if not log._in_key:
        log._write(log._rest)
    os.close(log._file)
    return path.read_text()


@pytest.mark.fault("4.35")
@pytest.mark.parametrize("step", [100, 1000, 65536])
def test_a_job_writes_no_half_of_a_secret_however_long_the_line_is(tmp_path: Path, step: int) -> None:
    rest = random.Random(step)
    for number, (text, secrets) in enumerate(LINES[::15]):
        whole = b"a " * rest.randrange(7000, 8190) + text.encode() + b" " + b"b " * 9000
        assert left(logged(tmp_path / str(number), whole, step), secrets) == []


@pytest.mark.fault("4.35")
@pytest.mark.parametrize("step", [100, 1000, 65536])
def test_a_job_writes_nothing_of_a_key_however_long_it_is(tmp_path: Path, step: int) -> None:
    make = Maker(3)
    key = "\n".join(make.word(64, BASE64) for _line in range(600))
    text = f"before\n-----BEGIN RSA PRIVATE KEY-----\n{key}\n-----END RSA PRIVATE KEY-----\nafter\n"
    shown = logged(tmp_path / "log", text.encode(), step)
    assert left(shown, make.secrets) == []
    assert shown.startswith("before\n")
    assert shown.endswith("after\n")


@pytest.mark.fault("4.35")
def test_a_line_is_parted_where_no_word_is() -> None:
    assert between_words(b"one two three", 9) == 8
    assert between_words(b"x" * 20_000, 15_000) == 15_000
