"""What is sent to a login shell, read back by real shells."""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.hosts.shell_words import MAX_COMMAND, START, StartLine, command, running

WORDS = st.lists(
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20), max_size=5
)


def printed(shell: str, argv: list[str], *, secret: bool) -> bytes:
    line, first = command(running(argv), secret=secret)
    assert line.isascii()
    assert line.isprintable()
    done = subprocess.run([shell, "-c", line], input=first, capture_output=True, check=True)
    return StartLine().hear(done.stdout)


@pytest.mark.fault("S6")
@pytest.mark.parametrize("shell", [name for name in ("dash", "bash", "zsh", "fish", "tcsh") if shutil.which(name)])
@settings(max_examples=25, deadline=None)
@given(words=WORDS, secret=st.booleans())
def test_every_shell_hands_the_words_on(shell: str, words: list[str], secret: bool) -> None:
    expected = b"".join(f"[{word}]".encode() for word in words) or b"[]"
    assert printed(shell, ["printf", "[%s]", *words], secret=secret) == expected


def test_a_secret_and_a_long_script_are_not_in_the_command_line() -> None:
    for script, secret in (("echo canary", True), ("echo canary;" + "#" * MAX_COMMAND, False)):
        line, first = command(script, secret=secret)
        assert "canary" not in line
        assert b"canary" in first


def test_a_nul_and_a_bad_name_are_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        running(["a\0b"])
    with pytest.raises(ValueError, match="not a name"):
        running(["a"], {"X; rm -rf": "1"})


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_noise_before_the_start_line_is_dropped_in_any_pieces(size: int) -> None:
    text = b"Welcome!\n@@LILFOX-START\nno newline\n@@LILFOX-START@@ 123 456\nout\n@@LILFOX-START@@ 9 9\n"
    started = StartLine()
    heard = b"".join(started.hear(text[at : at + size]) for at in range(0, len(text), size))
    assert heard == b"out\n@@LILFOX-START@@ 9 9\n"
    assert (started.group, started.since) == (123, "456")


@pytest.mark.fault("S17")
@pytest.mark.parametrize("noise", [b"x" * 999 + b"\n", START + b"x" * 300, START[1:-1] + b"\n"])
def test_a_login_that_prints_without_end_costs_little_time_and_memory(noise: bytes) -> None:
    started, block, blocks = StartLine(), noise * (1000 // len(noise)), 20_000
    began_s = time.process_time()
    for _ in range(blocks):
        assert started.hear(block) == b""
    assert time.process_time() - began_s < 1.0
    assert len(started.noise) <= 2 * StartLine.MAX_NOISE
    assert started.hear(START + b"12 34\nout") == b"out"
    assert (started.group, started.since) == (12, "34")
