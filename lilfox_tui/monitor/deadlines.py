"""Deadlines of others' jobs: the pings that they send, kept over a restart, and whether they are late.

The addresses are those of the pinging API of healthchecks.io: ``/ping/ID``, with ``/start``, ``/fail``, ``/log`` or an
exit status behind it, by GET, HEAD or POST, and ``?rid=UUID`` to tell runs apart; ``/ping/KEY/SLUG`` instead of
``/ping/ID`` with the key of all jobs.
"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from urllib.parse import parse_qs, unquote

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.backup.plan import next_due
from lilfox_tui.backup.sets.names import local_zone
from lilfox_tui.config.model import HostConfig, ServiceConfig
from lilfox_tui.config.secrets import resolve
from lilfox_tui.config.service_probes import DeadlineConfig
from lilfox_tui.config.values import SecretRef
from lilfox_tui.core.errors import HostError, LilFoxError
from lilfox_tui.core.files import replace_file
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.paths import all_folders, own_folder
from lilfox_tui.core.text import human_age
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.metrics.health import ServiceProbe
from lilfox_tui.metrics.model import DeadlineState, Health, HealthCheck, ServiceState

FOLDER = "deadlines"
_MOST_RUNS = 50
"""Runs that were started and have not ended."""


class PingRecord(Struct, frozen=True, kw_only=True):
    """What is known of a job's pings. Times are aware UTC."""

    known: datetime
    """Since when it is waited for."""
    ended: datetime | None = None
    """The last success."""
    failed: datetime | None = None
    """The last failure, if there was no success since."""
    exit_code: int | None = None
    """Of its last run, if it told one."""
    took_s: float | None = None
    """How long its last run took, if it told its start."""
    started: dict[str, datetime] = {}
    """Runs that have begun and not ended, by their id; the empty one without."""


def after_ping(record: PingRecord, action: str, run: str, at: datetime) -> PingRecord:
    """Return the record after a ping: ``action`` is empty, ``start``, ``fail``, ``log`` or an exit status."""
    if action == "log":
        return record
    if action == "start":
        started = {**record.started, run: at}
        return replace(record, started=dict(list(started.items())[-_MOST_RUNS:]))
    began = record.started.get(run)
    record = replace(
        record,
        started={name: each for name, each in record.started.items() if name != run},
        took_s=None if began is None else max(0.0, (at - began).total_seconds()),
        exit_code=int(action) if action.isdecimal() else None,
    )
    if action == "fail" or (action.isdecimal() and int(action) != 0):
        return replace(record, failed=at)
    return replace(record, ended=at, failed=None)


def judge_deadline(
    config: DeadlineConfig, record: PingRecord, now: datetime, zone: tzinfo
) -> tuple[DeadlineState, Health, Message | None]:
    """Return by when the job must report, whether it is well, and else why not."""
    since = record.ended or record.known
    due = next_due(config.schedule, since, zone) if config.schedule else since + timedelta(seconds=config.period or 0.0)
    state = DeadlineState(record.ended, due, record.took_s, record.exit_code)
    grace = timedelta(seconds=config.grace)
    if record.failed is not None:
        age, code = _age(now - record.failed), record.exit_code
        if code is None:
            return state, Health.UNHEALTHY, tr("the job reported a failure {age} ago", age=age)
        return state, Health.UNHEALTHY, tr("the job failed {age} ago: exit status {code}", age=age, code=code)
    began = min(record.started.values(), default=None)
    if began is not None and now > began + grace:
        return state, Health.ERROR, tr("the job started {age} ago and has not ended", age=_age(now - began))
    if now > due + grace:
        late = _age(now - due)
        if record.ended is None:
            return state, Health.ERROR, tr("the job has not reported yet: due {late} ago", late=late)
        return state, Health.ERROR, tr("the job reported {age} ago: the next report was due {late} ago",
                                       age=_age(now - record.ended), late=late)  # fmt: skip
    return state, Health.HEALTHY, None


def _age(time: timedelta) -> str:
    return human_age(time.total_seconds())


# The records, a file each: ``lilfox monitor`` writes them, and everybody who checks reads them.


def read_record(name: str) -> PingRecord | None:
    """Return the newest record of a job that this account may read; None if nobody has recorded it. Blocks."""
    found: list[PingRecord] = []
    for folder in all_folders(FOLDER):
        with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            found.append(msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=PingRecord))
    return max(found, key=lambda each: max(each.known, each.ended or each.known), default=None)


def _written(path: Path, record: PingRecord) -> PingRecord:
    replace_file(path, msgspec.json.encode(record))
    return record


class PingReceiver:
    """Takes the pings of the jobs in ``tokens`` (name → secret in the address, empty for the name itself) and keeps
    them in ``folder``. ``key`` stands before the slug of any job; without it there are no such addresses."""

    def __init__(self, tokens: Mapping[str, str], folder: Path, now: datetime, key: str = "") -> None:
        self._tokens, self._folder, self._key = tokens, folder, key
        self._records = {
            name: read_record(name) or _written(folder / f"{name}.json", PingRecord(known=now)) for name in tokens
        }

    @classmethod
    async def of(cls, services: Mapping[str, ServiceConfig], key: SecretRef | None = None) -> PingReceiver | None:
        """Return the receiver for the services that wait for pings; None without one. Raises LilFoxError for a token
        or a key that is not available, FolderRefused."""
        waiting = {name: each.deadline for name, each in services.items() if each.deadline is not None}
        tokens = {
            name: "" if each.token is None else await resolve(each.token)
            for name, each in waiting.items()
            if each.file is None
        }
        if not tokens:
            return None
        return cls(tokens, own_folder(FOLDER), datetime.now(UTC), "" if key is None else await resolve(key))

    def answer(self, path: str, query: str, at: datetime) -> tuple[str, str]:
        """Take a ping; return the status line and the text of the answer."""
        _empty, _ping, *words = path.split("/")
        if len(words) > 1 and self._key and hmac.compare_digest(self._key.encode(), unquote(words[0]).encode()):
            names = [name for name in self._tokens if slug_of(name) == unquote(words[1])]
            if len(names) > 1:
                return "409 Conflict", "ambiguous slug"
            name, words = names[0] if names else None, words[1:]
        else:
            name = self._named(unquote(words[0])) if words else None
        action = words[1] if len(words) == 2 else ""
        known = action in ("", "start", "fail", "log") or (action.isdecimal() and len(action) < 4 and int(action) < 256)
        if name is None or len(words) > 2 or not known:
            return "404 Not Found", "not found"
        run = parse_qs(query).get("rid", [""])[-1]
        try:
            run = run and str(uuid.UUID(run))
        except ValueError:
            return "400 Bad Request", "invalid uuid format"
        record = after_ping(self._records[name], action, run, at)
        try:
            self._records[name] = _written(self._folder / f"{name}.json", record)
        except OSError:
            return "500 Internal Server Error", "cannot be kept"  # the job tries again
        return "200 OK", "OK"

    def _named(self, said: str) -> str | None:
        """The job that an address means; all are compared, so that the time tells nothing."""
        found = None
        for name, token in self._tokens.items():
            if hmac.compare_digest((token or name).encode(), said.encode()):
                found = name
        return found


def slug_of(name: str) -> str:
    """Return the slug of a job: small letters, digits, ``-`` and ``_``."""
    return "".join(char if char.isalnum() or char == "_" else "-" for char in name.lower())


# A deadline as a service that is asked.


class DeadlineProbe(ServiceProbe):
    """Reads the record of a job, or the time of its file on ``host`` (None: this machine)."""

    def __init__(self, name: str, config: ServiceConfig, host: Host | None, *, period_s: float) -> None:
        super().__init__(name, config, config.url, period_s=period_s)
        assert config.deadline is not None
        self._deadline = config.deadline
        self._host = host or LocalHost(str(tr("this machine")), HostConfig(local=True))
        self._state: DeadlineState | None = None

    def _completed(self, state: ServiceState) -> ServiceState:
        return replace(state, deadline=self._state)

    async def _check(self) -> HealthCheck:
        at = datetime.now(UTC)
        try:
            record = await self._record(at)
        except HostError as error:
            reason = tr("cannot read {file} on {host}: {reason}", file=self._deadline.file, host=error.host,
                        reason=error.message)  # fmt: skip
            return HealthCheck(at, Health.ERROR, None, None, reason)
        except LilFoxError as error:
            return HealthCheck(at, Health.ERROR, None, None, tr("{reason}", reason=error.message))
        self._state, health, reason_or_none = judge_deadline(self._deadline, record, at, local_zone())
        return HealthCheck(at, health, None, record.took_s, reason_or_none)

    async def _record(self, at: datetime) -> PingRecord:
        file = self._deadline.file
        if file is None:
            record = read_record(self.name)
            if record is None:
                raise LilFoxError(
                    tr("no ping is recorded: lilfox monitor receives them where monitor.listen is set, as this account")
                )
            return record
        done = await self._host.run(("stat", "-c", "%Y", "--", file), timeout_s=self.config.timeout)
        if not done.ok:
            why = done.stderr.decode("utf-8", "replace").strip().rpartition(": ")[2] or str(done.ending)
            raise LilFoxError(tr("cannot read {file} on {host}: {reason}", file=file, host=self._host.name, reason=why))
        written = datetime.fromtimestamp(int(done.stdout), UTC)
        return PingRecord(known=written, ended=min(written, at))
