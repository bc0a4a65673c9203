"""Runs restic on the host of a plan, and turns its messages (JSON lines) and exit statuses into those of LilFox."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from lilfox_tui.backup.store import BackupError, StoreError
from lilfox_tui.config.foreign import ResticPlanConfig
from lilfox_tui.core.errors import CommandFailed
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.base import Completed, Host

_TIMEOUT_S = 300.0
_LIMIT_BYTES = 64 * 1024 * 1024
_LONGEST_LINE = 1024 * 1024
_KEPT_LINES = 100
"""Messages that are kept for an error."""
UNREAD = 3
"""Exit status of ``restic backup`` that has made a snapshot without some files, which it could not read."""
_LOCKED = 11
_NOT_FOUND = 127
_DAMAGED = re.compile(
    r"ciphertext verification failed|invalid data returned|file is too short|wrong hash|^panic: "
    r"|not found in (?:the )?(?:index|repository)"
    r"|<(?:data|tree|index|snapshot)/[0-9a-f]+>.{0,200}(?:no such file or directory|does not exist|NoSuchKey)"
)
"""What restic says of data that is not what was stored, and where it crashes at it (``dump`` of 0.18 at a damaged
folder). Anything else may be the link or the account."""
_IGNORED = re.compile(r'^Ignoring "([0-9a-f]{64})": (.*)$', re.MULTILINE)
"""What ``restic snapshots`` says of a file that it cannot read; it ends with 0."""


class Summary(Struct, frozen=True):
    """What a snapshot holds, as restic 0.17 and later record it."""

    backup_end: datetime | None = None
    total_files_processed: int | None = None
    total_bytes_processed: int | None = None
    data_added_packed: int | None = None
    data_added: int = 0


class Snapshot(Struct, frozen=True):
    """A snapshot as ``restic snapshots --json`` lists it."""

    id: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    """restic gets it as an argument again: nothing else may pass for one."""
    time: datetime
    paths: tuple[str, ...] = ()
    hostname: str = ""
    tags: tuple[str, ...] | None = None
    summary: Summary = Summary()


class ResticError(BackupError):
    """restic ended with an error. ``damaged``: it found data that is not what was stored."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, damaged: bool = False) -> None:
        super().__init__(message, hint)
        self.damaged = damaged


class Restic:
    """restic for one plan: with its repository, password file and account."""

    def __init__(self, config: ResticPlanConfig, host: Host) -> None:
        self.config, self.host = config, host

    def argv(self, command: str, *options: str, proves: bool = False) -> list[str]:
        """The command line: no secret is in it. ``proves``: everything is read from the repository itself."""
        place = ("-r", self.config.repository) if self.config.repository else ("--repository-file", self._place_file)
        # a cache on the host holds folders that the repository may have lost: what is read from it proves nothing
        always = ("--json", "--password-file", self.config.password_file, *(("--no-cache",) if proves else ()))
        return ["env", "LC_ALL=C", "RESTIC_PROGRESS_FPS=1", "restic", *place, *always, command, *options]

    @property
    def _place_file(self) -> str:
        return str(self.config.repository_file)

    async def run(self, command: str, *options: str, timeout_s: float = _TIMEOUT_S) -> Completed:
        """Run a command to its end. Raises ResticError, HostError."""
        return await self.run_words(command, self.argv(command, *options), timeout_s=timeout_s)

    async def run_words(self, command: str, argv: Sequence[str], *, timeout_s: float) -> Completed:
        """Run ``argv``, which runs that command of restic, to its end. A lock of a process that is gone is removed
        first, if there is one. Raises ResticError, HostError."""
        done = await self._run(argv, timeout_s)
        if done.exit_status == _LOCKED:
            await self._run(self.argv("unlock"), timeout_s)  # only those that are stale
            done = await self._run(argv, timeout_s)
        if not done.ok:
            raise failure(command, self.host.name, done.exit_status, done.stdout + b"\n" + done.stderr)
        return done

    async def _run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        done = await self.host.run(argv, timeout_s=timeout_s, limit_bytes=_LIMIT_BYTES, sudo=self.config.sudo)
        if done.truncated:
            raise StoreError(
                tr("restic on {host} printed more than {limit} MiB", host=self.host.name, limit=_LIMIT_BYTES >> 20),
                tr("remove old snapshots, or use restic itself"),
            )
        return done

    async def follow(
        self, command: str, argv: Sequence[str], heard: Callable[[dict[str, Any]], None], accepts: int = 0
    ) -> int:
        """Run ``argv``, which runs that command of restic, to its end; ``heard`` gets each message. Return its exit
        status, 0 or ``accepts``. Raises ResticError, HostError; ended early, it is ended on the host too."""
        kept: list[bytes] = []
        try:
            async with aclosing(self.host.stream(argv, sudo=self.config.sudo)) as blocks:
                async for line in _lines(blocks):
                    message = read_message(line)
                    if message.get("message_type") != "status":
                        kept = [*kept, line][-_KEPT_LINES:]
                    heard(message)
        except CommandFailed as error:
            status = error.outcome if isinstance(error.outcome, int) else None
            if status == accepts:
                return status
            said = b"\n".join([*kept, error.stderr.encode()])
            raise failure(command, self.host.name, status, said) from None
        return 0

    async def snapshots(self, *options: str) -> tuple[list[Snapshot], dict[str, str]]:
        """Return the snapshots that ``options`` choose, oldest first, and by their id why others of the repository
        cannot be read, whatever was chosen. Raises ResticError, HostError."""
        done = await self.run("snapshots", *options)
        try:
            found = msgspec.json.decode(done.stdout, type=list[Snapshot] | None) or []
        except msgspec.MsgspecError as error:
            raise StoreError(
                tr("the answer of restic on {host} is not understood: {why}",
                   host=self.host.name, why=clean(str(error))),
                tr("LilFox needs restic 0.17 or later on that host"),
            ) from None  # fmt: skip
        unread = {name: clean(why) for name, why in _IGNORED.findall(done.stderr.decode("utf-8", "replace"))}
        return sorted(found, key=lambda each: (each.time, each.id)), unread


def read_message(line: bytes) -> dict[str, Any]:
    """Return a JSON line of restic; empty for one that is none."""
    try:
        message = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def error_text(message: dict[str, Any]) -> str:
    """Return what an error message of restic says, with the file that it is about; empty for another message."""
    if message.get("message_type") == "exit_error":
        return clean(str(message.get("message", "")).strip().removeprefix("Fatal: "))
    if message.get("message_type") != "error":
        return ""
    error = message.get("error")
    what = error.get("message", "") if isinstance(error, dict) else message.get("message", "")
    item = str(message.get("item", ""))
    return clean(f"{item}: {what}" if item and item not in str(what) else str(what)).strip()


async def _lines(blocks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    rest = b""
    async for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line
        rest = rest[:_LONGEST_LINE]
    if rest:
        yield rest


def failure(command: str, host: str, status: int | None, said: bytes) -> ResticError:
    """Return the error for a command that did not end with 0: restic's own words, and what to do."""
    if status == _NOT_FOUND:
        return ResticError(
            tr("restic is not installed on {host}", host=host), tr("install the package restic on that host")
        )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [text for line in lines if (text := error_text(read_message(line)))]
    plain = [clean(line.decode("utf-8", "replace")) for line in lines if not read_message(line)]
    damage = next((text for text in [*errors, *plain] if _DAMAGED.search(text)), "")
    why = damage or next(reversed(errors or plain), str(status))
    return ResticError(
        tr("restic {command} failed on {host}: {why}", command=command, host=host, why=why[:600]),
        _hint(status), damaged=bool(damage),
    )  # fmt: skip


def _hint(status: int | None) -> Message | str:
    """What to do about an exit status that restic documents."""
    hints: dict[int, Message] = {
        10: tr("Check that the repository is mounted, and repository of the plan. Only a new one needs: restic init"),
        _LOCKED: tr("another restic is at work in the repository; wait for it, or look for it: restic list locks"),
        12: tr("the password in password_file of the plan is not that of the repository"),
    }
    return hints.get(status or 0, "")
