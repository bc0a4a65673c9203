"""What is sent to a login shell, read back by real shells."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.hosts.shell_words import (
    MAX_COMMAND,
    START,
    StartLine,
    SudoDialog,
    command,
    quiet_complaint,
    running,
    sudo_quietly,
)
from tests.waiting import until

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


# The dialog with sudo: a password is written once, and only to sudo's own question.


async def password() -> str:
    return "canary"


class Written:
    def __init__(self) -> None:
        self.data = b""

    async def __call__(self, data: bytes) -> None:
        self.data += data


def words_of(dialog: SudoDialog) -> tuple[bytes, bytes]:
    """The random prompt and the random word of root."""
    argv = dialog.argv(["true"], {})
    return argv[argv.index("-p") + 1].encode(), argv[argv.index("-c") + 2].encode()


def in_pieces(dialog: SudoDialog, said: bytes, size: int) -> bytes:
    return b"".join(dialog.hear(said[at : at + size]) for at in range(0, len(said), size))


@pytest.mark.fault("S18")
@pytest.mark.parametrize("size", [1, 5, 1000])
async def test_the_password_follows_the_prompt_and_input_follows_root(size: int) -> None:
    dialog, written = SudoDialog(password), Written()
    prompt, root = words_of(dialog)
    answering = asyncio.create_task(dialog.answer(written))
    assert in_pieces(dialog, b"a lecture\n" + prompt, size) == b""
    await until(lambda: written.data)
    assert in_pieces(dialog, root + b"err\n", size) == b"err\n"
    assert await answering
    assert written.data == b"canary\n"


@pytest.mark.fault("S19")
async def test_a_fake_prompt_gets_nothing() -> None:
    dialog, written = SudoDialog(password), Written()
    _, root = words_of(dialog)
    answering = asyncio.create_task(dialog.answer(written))
    dialog.hear(b"[sudo] password for root: @@LILFOX-0000000000000000@@")
    await asyncio.wait([answering], timeout=0.05)
    dialog.hear(root)
    assert await answering
    assert written.data == b""


@pytest.mark.fault("S18")
async def test_a_second_prompt_is_not_answered() -> None:
    dialog, written = SudoDialog(password), Written()
    prompt, _ = words_of(dialog)
    answering = asyncio.create_task(dialog.answer(written))
    dialog.hear(prompt)
    await until(lambda: written.data)
    dialog.hear(b"Sorry, try again.\n" + prompt)
    assert not await answering
    assert written.data == b"canary\n"
    assert dialog.complaint() == b"Sorry, try again.\n"


@pytest.mark.fault("S18")
def test_neither_password_nor_values_are_in_argv() -> None:
    assert "canary" not in " ".join(SudoDialog(password).argv(["id"], {"TOKEN": "canary"}))
    assert sudo_quietly(["id"], {"TOKEN": "canary"}) == ["sudo", "-n", "--preserve-env=TOKEN", "--", "id"]


def test_only_sudo_itself_complains() -> None:
    assert quiet_complaint(1, b"", b"sudo: a password is required\n")
    assert not quiet_complaint(1, b"out", b"sudo: a password is required\n")
    assert not quiet_complaint(1, b"", b"it said sudo: a password is required\n")
