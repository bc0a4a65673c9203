"""Runs pgbackrest on the host of a plan, and turns its errors into those of LilFox."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from lilfox_tui.backends.postgresql.session import as_account
from lilfox_tui.backup.postgresql.connect import CLEAN
from lilfox_tui.backup.sources.pgbackrest.info import StanzaInfo, read_info
from lilfox_tui.backup.store import BackupError, StoreError
from lilfox_tui.config.foreign import PgbackrestPlanConfig
from lilfox_tui.core.errors import CommandFailed
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.base import Completed, Host

_TIMEOUT_S = 120.0
LIMIT_BYTES = 64 * 1024 * 1024
_LONGEST_LINE = 64 * 1024
_KEPT_LINES = 400
"""Lines of the output that are kept for an error."""
_ERROR = re.compile(r"ERROR: \[(\d{3})\]: (.*)")
_LOGGED = re.compile(r"^(?:\d{4}-\d\d-\d\d [\d:.]+ )?P\d\d +(?P<level>INFO|WARN|ERROR|DETAIL|DEBUG): (?P<text>.*)")
_SHARE = re.compile(r", (\d{1,3}\.\d\d)%\)")
"""Near the end of a file's line of ``backup`` and ``restore``, behind its size: how much of all is done."""
_NOT_FOUND = 127


class PgBackRestError(BackupError):
    """pgbackrest ended with an error. ``code`` is its number (src/build/error/error.yaml of pgBackRest), which is its
    exit status too."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, code: int) -> None:
        super().__init__(message, hint)
        self.code = code


class PgBackRest:
    """pgbackrest for one plan: with the plan's configuration file, stanza and account."""

    def __init__(self, config: PgbackrestPlanConfig, host: Host) -> None:
        self.config, self.host = config, host
        self._login: str | None = None

    async def run(self, command: str, *options: str, timeout_s: float = _TIMEOUT_S, logs: bool = False) -> str:
        """Return what a command prints, with ``logs`` also what it logs. Raises PgBackRestError, HostError."""
        console = "--log-level-console=info" if logs else "--log-level-console=off"
        argv = await self.argv(command, console, "--log-level-stderr=error", *options)
        done = await self.host.run(argv, timeout_s=timeout_s, limit_bytes=LIMIT_BYTES, sudo=await self.by_sudo())
        if done.truncated:
            raise StoreError(
                tr("pgbackrest {command} on {host} printed more than {limit} MiB",
                   command=command, host=self.host.name, limit=LIMIT_BYTES >> 20),
                tr("expire old WAL of the stanza, or use the commands of pgBackRest itself"),
            )  # fmt: skip
        if not done.ok:
            raise self._failed(command, done)
        return done.stdout.decode("utf-8", "replace")

    async def follow(
        self, command: str, *options: str, heard: Callable[[str, str], None], share: Callable[[float], None]
    ) -> None:
        """Run a command to its end. ``heard`` gets the level and the text of each line that it logs; ``share`` how much
        of all files is done, 0 to 1. Raises PgBackRestError, HostError; ended early, it is ended on the host too."""
        argv = await self.argv(command, "--log-level-console=detail", "--log-level-stderr=off", *options)
        kept: list[str] = []
        try:
            async with aclosing(self.host.stream(argv, sudo=await self.by_sudo())) as blocks:
                async for line in _lines(blocks):
                    if (found := _SHARE.search(line)) is not None:
                        share(float(found[1]) / 100)
                        continue
                    kept = [*kept, line][-_KEPT_LINES:]
                    if (logged := _LOGGED.match(line)) and logged["level"] in ("INFO", "WARN"):
                        heard(logged["level"], logged["text"])
        except CommandFailed as error:
            status = error.outcome if isinstance(error.outcome, int) else None
            signal = None if status is not None or error.outcome is None else str(error.outcome)
            said = "\n".join(kept).encode() + b"\n" + error.stderr.encode()
            raise self._failed(command, Completed(tuple(argv), status, signal, b"", said)) from None

    async def info(self) -> StanzaInfo:
        """Return the stanza. Raises StoreError if no repository can be read, PgBackRestError, HostError."""
        words = () if self.config.repo is None else (f"--repo={self.config.repo}",)
        info = read_info((await self.run("info", "--output=json", *words)).encode(), self.config.stanza)
        if info.troubles and not info.repos:
            number, why = next(iter(info.troubles.items()))
            raise StoreError(
                tr("repository {number} of stanza {stanza}: {why}",
                   number=number, stanza=self.config.stanza, why=clean(why)),
                _missing_stanza(self.config.stanza),
            )  # fmt: skip
        return info

    async def argv(self, command: str, *options: str) -> list[str]:
        """Return the argv of a command of pgbackrest, as the plan's account."""
        config = () if self.config.config is None else (f"--config={self.config.config}",)
        return await self.as_account("pgbackrest", command, *config, f"--stanza={self.config.stanza}", *options)

    async def as_account(self, *words: str) -> list[str]:
        """Return the argv that runs ``words`` as the plan's account, in a clean environment."""
        return [*(as_account(self.config.as_) if await self.by_sudo() else ()), *CLEAN, *words]

    async def by_sudo(self) -> bool:
        """Whether the plan's account is another than the login's; pass it to the host's calls."""
        if not self.config.as_:
            return False
        if self._login is None:
            self._login = (await self.host.run(["id", "-un"])).stdout.decode("utf-8", "replace").strip()
        return self._login != self.config.as_

    def _failed(self, command: str, done: Completed) -> PgBackRestError:
        return failure(command, self.host.name, self.config.stanza, done)


async def _lines(blocks: AsyncGenerator[bytes, None]) -> AsyncGenerator[str, None]:
    rest = b""
    async for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
        rest = rest[:_LONGEST_LINE]
    if rest:
        yield rest.decode("utf-8", "replace")


def failure(command: str, host: str, stanza: str, done: Completed) -> PgBackRestError:
    """Return the error for a command that did not end with 0: pgBackRest's own text, and what to do."""
    # without a configuration that it can read, it knows of no level for stderr
    said = (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")
    lines = said.splitlines()
    start = next((at for at, line in enumerate(lines) if _ERROR.search(line)), None)
    if start is None:
        if done.exit_status == _NOT_FOUND:
            return PgBackRestError(
                tr("pgbackrest is not installed on {host}", host=host),
                tr("install the package pgbackrest on that host"), code=_NOT_FOUND,
            )  # fmt: skip
        last = next((line for line in reversed(lines) if line.strip()), str(done.ending))
        return PgBackRestError(
            tr("pgbackrest {command} failed on {host}: {why}", command=command, host=host, why=clean(last.strip())),
            tr("the log of pgBackRest on that host may tell more"), code=done.exit_status or 0,
        )  # fmt: skip
    found = _ERROR.search(lines[start])
    assert found is not None  # that line was chosen for it
    more = [line.strip() for line in _continued(lines[start + 1 :])]
    hints = [line.removeprefix("HINT: ") for line in more if line.startswith("HINT: ")]
    text = " ".join([found[2], *(line for line in more if not line.startswith("HINT: "))])
    code = int(found[1])
    return PgBackRestError(
        tr("pgbackrest {command} failed on {host} with error {code}: {why}",
           command=command, host=host, code=code, why=clean(text[:600])),
        _hint(code, stanza) or clean(" ".join(hints)[:600]), code=code,
    )  # fmt: skip


def _continued(lines: Sequence[str]) -> list[str]:
    """The lines that belong to the message before them: they are indented."""
    end = next((at for at, line in enumerate(lines) if not line.startswith("   ")), len(lines))
    return list(lines[:end])


def _missing_stanza(stanza: str) -> Message:
    return tr("Check that the repository is mounted, and stanza and config of the plan. Only a new stanza needs: "
              "pgbackrest --stanza={stanza} stanza-create", stanza=stanza)  # fmt: skip


def _hint(code: int, stanza: str) -> Message | str:
    """What to do about an error that operators meet; for the others pgBackRest's own hint is shown."""
    hints: dict[int, Message] = {
        37: tr("the configuration of pgBackRest has no section for stanza {stanza}: correct stanza or config of the "
               "plan", stanza=stanza),
        38: tr("a server runs in that data directory; LilFox restores only into a new one"),
        50: tr("another pgbackrest of this stanza is at work; wait for it, or look for it: pgrep -a pgbackrest"),
        55: _missing_stanza(stanza),
        56: tr("is the server running, and are pg1-path, pg1-port and pg1-socket-path of the stanza right?"),
        62: tr("pgBackRest was stopped for this stanza; allow it again: pgbackrest --stanza={stanza} start",
               stanza=stanza),
        64: tr("free up space in the repository, or expire old backups; the earlier sets were not touched"),
        82: tr("the server does not archive its WAL: check archive_command, the server's log and pg_stat_archiver"),
        87: tr("set archive_mode = on and archive_command of the server, and restart it"),
        103: tr("no repository could be read: check its path, its mount, and the account that runs pgbackrest"),
    }  # fmt: skip
    return hints.get(code, "")
