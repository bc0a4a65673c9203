"""sudo without a password in argv, in the environment or in the command's stdin (sudo(8)).

With no password configured it is ``sudo -n``, which never asks. With one, sudo reads it from its own stdin (``-S``)
and the prompt is a random word: the password is written once, only after that word came on stderr, so that nothing
else can ask for it. The command's own stdin is written only after a second random word, which the command's wrapper
prints as root: under NOPASSWD no prompt comes and the password is never written at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from lilfox_tui.config.model import SecretRef

_COMPLAINTS = (
    b"sudo: a password is required",
    b"sudo: sorry, you must have a tty",
    b"sudo: interactive authentication",
)
Write = Callable[[bytes], Awaitable[None]]


def sudo_quietly(argv: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """``argv`` by ``sudo -n``, keeping the variables named in ``env`` (their values are not in the argv)."""
    return ["sudo", "-n", *_kept(env), "--", *argv]


def quiet_complaint(status: int | None, stdout: bytes, stderr: bytes) -> bytes:
    """What ``sudo -n`` said (LC_ALL=C) if it did not start its command, else nothing."""
    return stderr if status == 1 and not stdout and stderr.startswith(_COMPLAINTS) else b""


async def secret(ref: SecretRef) -> str:
    """What ``ref`` points at, read now."""
    from lilfox_tui.config.secrets import resolve  # only when a secret is used

    return await resolve(ref)


def _kept(env: Mapping[str, str]) -> list[str]:
    return [f"--preserve-env={','.join(env)}"] if env else []


class SudoDialog:
    """One sudo that may ask for a password: what to start, what it says on stderr, what to answer. Without ``password``
    it never asks."""

    def __init__(self, password: Callable[[], Awaitable[str]] | None) -> None:
        from secrets import token_hex  # only when a password is used

        self._password = password
        self._prompt = f"@@LILFOX-{token_hex(8)}@@"
        self._root = f"@@LILFOX-{token_hex(8)}@@"
        self._said = b""
        self._prompts = 0
        self._changed = asyncio.Event()
        self.accepted = False

    @property
    def refused(self) -> bool:
        """Whether it asked and the command was never started."""
        return self._prompts > 0 and not self.accepted

    def argv(self, argv: Sequence[str], env: Mapping[str, str]) -> list[str]:
        """What to start. The sudoers rules must allow ``sh``, which tells when root is reached."""
        asking = ["-n"] if self._password is None else ["-k", "-S", "-p", self._prompt]
        return ["sudo", *asking, *_kept(env), "--", *self.plain(argv)]

    def plain(self, argv: Sequence[str]) -> list[str]:
        """What to start when it is root already."""
        return ["sh", "-c", 'printf "%s" "$0" >&2; exec "$@"', self._root, *argv]

    def hear(self, data: bytes) -> bytes:
        """What of ``data`` (stderr) the command itself wrote; nothing until root is reached."""
        if self.accepted:
            return data
        self._said += data
        before, root, after = self._said.partition(self._root.encode())
        self._prompts = before.count(self._prompt.encode())
        self.accepted = bool(root)
        self._changed.set()
        return after

    def complaint(self) -> bytes:
        """What sudo said instead of starting the command."""
        return self._said.replace(self._prompt.encode(), b"") if not self.accepted else b""

    async def answer(self, write: Write) -> bool:
        """Writes the password if it is asked for; returns whether the command was started (its stdin may follow)."""
        if await self._until(1) and self._password is not None:
            await write((await self._password()).encode() + b"\n")
            await self._until(2)
        return self.accepted

    async def reach_root(self, hearing: asyncio.Task[None], write: Write) -> bool:
        """Answers while ``hearing`` reads stderr; whether the command was started. Its stdin stays open."""
        answering = asyncio.ensure_future(self.answer(write))
        try:
            await asyncio.wait({hearing, answering}, return_when=asyncio.FIRST_COMPLETED)
            return await answering if answering.done() else self.accepted
        finally:
            answering.cancel()

    async def _until(self, prompts: int) -> bool:
        """Waits for root, or for so many prompts; whether it is a prompt."""
        while not self.accepted and self._prompts < prompts:
            self._changed.clear()
            await self._changed.wait()
        return not self.accepted
