"""The dialog with sudo: a password is written once, and only to sudo's own question."""

from __future__ import annotations

import asyncio

import pytest

from lilfox_tui.hosts.shell_words import SudoDialog, quiet_complaint, sudo_quietly
from tests.waiting import until


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
