"""The dialog with sudo: a password is written once, and only to sudo's own question."""

from __future__ import annotations

import asyncio

import pytest

from lilfox_tui.hosts.sudo import SudoDialog, quiet_complaint, sudo_quietly


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


@pytest.mark.parametrize("size", [1, 5, 1000])
async def test_the_password_follows_the_prompt_and_input_follows_root(size: int) -> None:
    dialog, written = SudoDialog(password), Written()
    prompt, root = words_of(dialog)
    answering = asyncio.create_task(dialog.answer(written))
    said = b"a lecture\n" + prompt + root + b"err\n"
    heard = b"".join(dialog.hear(said[at : at + size]) for at in range(0, len(said), size))
    assert await answering
    assert heard == b"err\n"
    assert written.data in (b"canary\n", b"")
    assert not dialog.refused


async def test_a_fake_prompt_gets_nothing() -> None:
    dialog, written = SudoDialog(password), Written()
    _, root = words_of(dialog)
    answering = asyncio.create_task(dialog.answer(written))
    dialog.hear(b"[sudo] password for root: @@LILFOX-0000000000000000@@")
    dialog.hear(root)
    assert await answering
    assert written.data == b""


async def test_a_second_prompt_is_not_answered() -> None:
    dialog, written = SudoDialog(password), Written()
    prompt, _ = words_of(dialog)
    answering = asyncio.create_task(dialog.answer(written))
    dialog.hear(prompt)
    dialog.hear(b"Sorry, try again.\n" + prompt)
    assert not await answering
    assert written.data.count(b"canary") <= 1
    assert dialog.refused
    assert dialog.complaint() == b"Sorry, try again.\n"


def test_neither_password_nor_values_are_in_argv() -> None:
    assert "canary" not in " ".join(SudoDialog(password).argv(["id"], {"TOKEN": "canary"}))
    assert sudo_quietly(["id"], {"TOKEN": "canary"}) == ["sudo", "-n", "--preserve-env=TOKEN", "--", "id"]


def test_only_sudo_itself_complains() -> None:
    assert quiet_complaint(1, b"", b"sudo: a password is required\n")
    assert not quiet_complaint(1, b"out", b"sudo: a password is required\n")
    assert not quiet_complaint(1, b"", b"it said sudo: a password is required\n")
