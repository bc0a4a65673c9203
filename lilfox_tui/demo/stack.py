"""The demo's stack: its processes, and how to run it without a screen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import secrets
import shlex
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lilfox_tui.config.model import ServiceConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, language, tr
from lilfox_tui.core.text import clean
from lilfox_tui.demo.control_socket import (
    COMMAND,
    DATABASE,
    FAULTS,
    FAULTS_OF,
    GATEWAY,
    HEALED,
    SERVICES,
    SETUP,
    STORE,
    Control,
    controlled,
    parse_fault,
)
from lilfox_tui.demo.database import server_account, server_programs
from lilfox_tui.demo.http import SharedFolder, ask, remove, remove_left

# The stand-in application's own files, and the configuration that watches and backs up all of the demo.


PLAN = "lilfox"
DATABASE_FOLDER = "db"
"""Short: the server's socket is in it (unix(7))."""
DISK = "disk"
"""Stands for the disk that backups are on."""
STATES = "states"
"""Has a file for each service that says which fault it has, and its port."""
_RUNBOOKS = Path(__file__).parent / "runbooks"
_HEALTHY = "curl -sS --fail --noproxy '*' --retry 10 --retry-delay 1 --retry-connrefused http://127.0.0.1:<port>/health"
"""LilFox knows that it only reads, unlike the demo's own command."""
_UPLOADS, _SEED = 40, 7
_SIZES = (2_000, 60_000)


def make_application(folder: Path) -> None:
    """Create ``app/`` (``.env``, ``config/``, ``public/uploads/``) and the backup disk in ``folder``."""
    uploads, config = folder / "app/public/uploads", folder / "app/config"
    uploads.mkdir(parents=True)
    config.mkdir()
    sizes = random.Random(_SEED)  # noqa: S311 -- the size of made-up pictures
    for number in range(_UPLOADS):
        picture = uploads / f"{number:03}.jpg"
        picture.write_bytes(b"\xff\xd8\xff\xe0" + sizes.randbytes(sizes.randrange(*_SIZES)))
    env = folder / "app/.env"
    env.touch(mode=0o600)
    env.write_text(f"APP_ENV=demo\nSECRET_KEY={secrets.token_hex(16)}\n")
    (config / "logging.yaml").write_text("level: info\nformat: json\n")
    (config / "limits.yaml").write_text("requests_per_minute: 600\nupload_bytes: 10485760\n")
    (folder / DISK / "backup").mkdir(parents=True, mode=0o700)


_AUDIT_EVERY = "10m"
_ACCEPTED_DAYS = 30
_ACCEPTED = {
    "backend-without-rule": tr("the demo has the four rules of the manual, which are about services and hosts"),
    "backup-same-host": tr("the demo has one machine; its folder “disk” stands for another one"),
    "log-written-twice": tr("its logging is that of the manual, which rotates one log by size and another by day"),
    "no-dead-mans-switch": tr("the demo notifies nobody, and ends with its console"),
}
"""What the audit finds of a healthy demo, and why it stays so."""


def _audit() -> dict[str, Any]:
    """How often the demo is audited, and what is accepted."""
    until = (datetime.now(UTC).date() + timedelta(days=_ACCEPTED_DAYS)).isoformat()
    accepted = [{"id": name, "why": str(why), "until": until} for name, why in _ACCEPTED.items()]
    return {"every": _AUDIT_EVERY, "accept": accepted}


_CALLS = {"gateway": ("backend",), "backend": ("model", DATABASE)}
"""What the services call to answer a request."""


def write_config(
    folder: Path, services: Mapping[str, ServiceConfig], logs: Mapping[str, Path], *, host: str, database: bool
) -> Path:
    """Write ``config.yaml`` (as JSON, which is YAML) into ``folder``. ``host`` names this machine."""
    sources: dict[str, Any] = {
        "uploads": {"kind": "files", "path": f"{folder}/app/public/uploads", "root": f"{folder}/app"},
        "settings": {"kind": "config", "root": f"{folder}/app"},
    }
    document: dict[str, Any] = {
        "name": "demo",
        "hosts": {host: {"local": True}},
        "services": {
            name: {
                "url": each.url,
                "every": "2s",
                "timeout": "2s",
                "metrics_every": "2s",
                "depends_on": [
                    other for other in _CALLS.get(name, ()) if other in services or (database and other == DATABASE)
                ],
            }
            for name, each in services.items()
        },
        "logs": {name: {"kind": "file", "path": str(path), "zone": "UTC"} for name, path in logs.items()},
        "rules": [str(Path(__file__).parent / "rules.yml")],
        "audit": _audit(),
        "runbooks": {"folders": [str(_write_runbook(folder, next(iter(logs.values())).parent))]},
    }
    if database:
        socket = f"{folder}/{DATABASE_FOLDER}"
        sources = {"database": {"kind": "postgresql", "url": f"postgresql://lilfox@/lilfox?host={socket}"}, **sources}
        document["backends"] = {
            "database": {
                "kind": "postgresql", "host": host, "by": "psql", "socket": socket, "user": "lilfox",
                "database": "lilfox", "every": "2s",
            }
        }  # fmt: skip
    document["backup"] = {
        "stores": {DISK: {"kind": "local", "path": f"{folder}/{DISK}/backup"}},
        "plans": {
            PLAN: {
                "sources": sources, "store": DISK, "schedule": "0 2 * * *",
                "keep": {"last": 3, "daily": 7, "weekly": 4}, "drill": True,
            }
        },
    }  # fmt: skip
    file = folder / "config.yaml"
    file.touch(mode=0o600)
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False))
    return file


def _write_runbook(folder: Path, logs: Path) -> Path:
    """Write the demo's own runbook, in the current language, and return its folder."""
    runbooks = folder / "runbooks"
    runbooks.mkdir(exist_ok=True)
    text = (_RUNBOOKS / ("zh.md" if language().startswith("zh") else "en.md")).read_text("utf-8")
    healthy = _HEALTHY if shutil.which("curl") else f"{folder / COMMAND} healthy <service>"
    text = text.replace("@STACK@", str(folder / COMMAND)).replace("@LOGS@", str(logs))
    text = text.replace("@STATES@", str(folder / STATES)).replace("@HEALTHY@", healthy)
    (runbooks / "demo-service.md").write_text(text, "utf-8")
    return runbooks


_READY_S = 30.0
_END_S = 2.0
_DATABASE_READY_S = 60.0
_FOLDER_BYTES = 60
"""Leaves room for the demo's own folder and db/.s.PGSQL.5432 in the 108 bytes of sun_path (unix(7))."""
_BELOW = {"gateway": "backend", "backend": "model"}


_OTHER_PORTS = range(20_000, 32_000)
"""None of those that Linux gives to outgoing connections by default (ip_local_port_range, ip(7)): one of these could
take the port before the service listens on it."""


def _free_port(wanted: int, taken: set[int]) -> int:
    for port in (wanted, *random.sample(_OTHER_PORTS, 100)):
        if port in taken or not port:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise LilFoxError(tr("no free port on 127.0.0.1 for the demo's services"))


def _short_folder() -> Path:
    """Return the folder for temporary files, or /tmp if socket paths in it would be too long for a UNIX socket."""
    folder = tempfile.gettempdir()
    short = folder if len(os.fsencode(folder)) <= _FOLDER_BYTES else "/tmp"  # noqa: S108 -- mkdtemp makes it private
    return Path(short)


class Stack:
    """The demo's services: ``async with Stack() as stack`` runs three until the block ends. The database is started on
    request only, because it takes seconds.

    ``port_base`` puts them on three ports from there on instead of the manual's, 0 on any free ones; a port in use is
    replaced by a free one. ``rate`` is users' requests a second. Raises LilFoxError when a service does not come up.
    """

    def __init__(self, *, port_base: int | None = None, rate: float = 20.0, log_bytes: int = 100 * 1024 * 1024) -> None:
        self._wanted = {
            name: port if port_base is None else port_base + index if port_base else 0
            for index, (name, port) in enumerate(SERVICES.items())
        }
        self._rate, self._log_bytes = rate, log_bytes
        self._ports: dict[str, int] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._faults: dict[str, str] = {}
        self._healed: dict[str, str] = {}
        """The fault of each service that was removed last."""
        self._programs = server_programs()
        self._open = contextlib.AsyncExitStack()
        self.folder = Path()

    @property
    def log_dir(self) -> Path:
        """Where the services write ``lilfox-NAME.log``."""
        return self.folder / "logs"

    @property
    def logs(self) -> dict[str, Path]:
        """The log of each service. Its times are UTC without an offset, as the ops manual's formatter writes them."""
        return {name: self.log_dir / f"lilfox-{name}.log" for name in SERVICES}

    @property
    def services(self) -> dict[str, ServiceConfig]:
        """The services to watch."""
        return {
            name: ServiceConfig(
                url=f"http://127.0.0.1:{port}", every=Seconds(2), timeout=Seconds(2), metrics_every=Seconds(2)
            )
            for name, port in self._ports.items()
        }

    @property
    def state_dir(self) -> Path:
        """The folder for XDG_STATE_HOME: the demo's jobs and restores are separate from all others and removed with
        it."""
        return self.folder / "state"

    @property
    def targets(self) -> dict[str, dict[str, Message]]:
        """The services and parts that can be given a fault, each with its kinds of fault."""
        there = DATABASE if self._programs is not None else ""
        return {name: kinds for name, kinds in FAULTS_OF.items() if name in (*SERVICES, STORE, SETUP, there)}

    @property
    def found_by_audit(self) -> frozenset[str]:
        """Those of ``targets`` whose faults the audit finds, and nothing else."""
        return frozenset({SETUP})

    def write_config(self, host: str) -> Path:
        """Write a configuration file that watches and backs up the whole stack; ``host`` names this machine."""
        return write_config(self.folder, self.services, self.logs, host=host, database=self._programs is not None)

    def pids(self) -> dict[str, int]:
        """Return the running processes, including ``traffic``."""
        return {name: process.pid for name, process in self._processes.items() if process.returncode is None}

    def faults(self) -> list[tuple[str, str]]:
        """Return the active faults, as (service, kind)."""
        return sorted(self._faults.items())

    async def __aenter__(self) -> Self:
        place = _short_folder()
        await asyncio.to_thread(remove_left, place)
        shared = SharedFolder.made(place)
        self.folder = shared.folder
        self._open.callback(shared.leave)
        try:
            taken: set[int] = set()
            for name, wanted in self._wanted.items():
                self._ports[name] = _free_port(wanted, taken)
                taken.add(self._ports[name])
            make_application(self.folder)
            (self.folder / STATES).mkdir()
            for name in SERVICES:
                self._write_state(name)
            await asyncio.gather(*(self._start_service(name) for name in SERVICES))
            await self._start("traffic", ["--port", str(self._ports["gateway"]), "--rate", str(self._rate)])
            control = Control(self._state, self.fault, self.heal, self.undo_heal)
            await self._open.enter_async_context(controlled(self.folder, control))
        except BaseException:
            await self._end_all()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self._end_all())

    async def start_database(self) -> None:
        """Start the database; return once its tables are filled. Raises LilFoxError if PostgreSQL is not installed or
        does not run."""
        if self._programs is None:
            raise LilFoxError(
                tr("the demo has no database: PostgreSQL is not installed"),
                tr("install it and restart the demo: apt-get install postgresql"),
            )
        folder = self.folder / DATABASE_FOLDER
        folder.mkdir(mode=0o700)
        account = server_account()
        if account is not None:  # may pass through to its own folder
            os.chown(self.folder, -1, account.pw_gid)
            self.folder.chmod(0o710)
        options = ["--folder", str(folder), "--programs", str(self._programs), "--control", str(self._socket(DATABASE))]
        process = await self._start("database", options)
        deadline = asyncio.get_running_loop().time() + _DATABASE_READY_S
        state = "starting"
        while state == "starting" and process.returncode is None:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.05)
            with contextlib.suppress(OSError, TimeoutError, ValueError):
                state = json.loads((await ask(str(self._socket(DATABASE)), "GET", "/state")).body)["state"]
        if state != "ready":
            raise LilFoxError(tr("the demo's database is not running: {reason}", reason=clean(state)))

    async def fault(self, service: str, kind: str) -> None:
        """Inject a fault into one of ``targets``. Raises LilFoxError if the target rejects it."""
        if service == STORE:
            self._move_disk(away=True)
        elif service == SETUP:
            await self._set_up(careless=True)
        elif service == DATABASE:
            await self._tell(service, kind)
            return  # what is gone is gone: no fault that lasts
        else:
            await self._make_service_ill(service, kind)
        self._faults[service] = kind
        self._write_state(service)

    async def _make_service_ill(self, service: str, kind: str) -> None:
        if self._processes[service].returncode is not None:
            await self._start_service(service)
        try:
            await self._tell(service, kind)
        except ConnectionResetError:
            if kind != "crash":
                raise
            await self._processes[service].wait()

    async def heal(self, service: str) -> bool:
        """Remove the fault; a service that died is restarted on its port. Return whether there was anything to do.
        Raises LilFoxError for the database: its lost data returns only by a restore."""
        if service == DATABASE:
            raise LilFoxError(
                tr("the database does not recover its lost data by itself"),
                tr("restore it: in pane 3, select a set and press B"),
            )
        died = False
        if service == STORE:
            self._move_disk(away=False)
        elif service == SETUP:
            await self._set_up(careless=False)
        elif self._processes[service].returncode is None:
            await self._tell(service, HEALED)
        else:
            died = True
            await self._start_service(service)
        if kind := self._faults.pop(service, ""):
            self._healed[service] = kind
        self._write_state(service)
        return died or bool(kind)

    async def undo_heal(self, service: str) -> None:
        """Inject the most recently removed fault again. Raises LilFoxError if there was none."""
        if service not in self._healed:
            raise LilFoxError(tr("{service}: there is no removed fault to inject again", service=service))
        await self.fault(service, self._healed[service])

    def _write_state(self, service: str) -> None:
        if service in SERVICES:
            fault, port = self._state(service)
            said = f"{fault} ({FAULTS[fault]})" if fault in FAULTS else "no fault"
            (self.folder / STATES / service).write_text(f"{service}: {said}, port {port}\n", "utf-8")

    def _move_disk(self, *, away: bool) -> None:
        here, there = self.folder / DISK, self.folder / f"{DISK}-unplugged"
        with contextlib.suppress(FileNotFoundError):
            (here if away else there).rename(there if away else here)

    async def _set_up(self, *, careless: bool) -> None:
        """Change how what runs of the gateway and the database is set up; a gateway that has died starts so."""
        running = {name for name, process in self._processes.items() if process.returncode is None}
        for name in (DATABASE, GATEWAY):
            if name in running:
                await self._post(name, "/setup", {"careless": careless}, kind="careless")

    async def _tell(self, service: str, kind: str) -> None:
        await self._post(service, "/fault", {"kind": kind}, kind=kind)

    async def _post(self, service: str, path: str, document: Mapping[str, Any], *, kind: str) -> None:
        try:
            response = await ask(str(self._socket(service)), "POST", path, body=json.dumps(document).encode())
        except ConnectionResetError:
            raise
        except (OSError, TimeoutError, ValueError) as error:
            raise LilFoxError(
                tr("cannot reach the demo's {service}: {reason}", service=service, reason=error)
            ) from error
        if response.status != 200:
            why = json.loads(response.body or b"{}").get("error", "")
            raise LilFoxError(
                tr("the demo's {service} rejected the fault {kind}: {why}", service=service, kind=kind, why=why)
            )

    def _socket(self, service: str) -> Path:
        return self.folder / f"{service}.sock"

    async def _start_service(self, name: str) -> None:
        options = [name, "--port", str(self._ports[name]), "--log-dir", str(self.log_dir)]
        options += ["--log-bytes", str(self._log_bytes), "--control", str(self._socket(name))]
        if name == GATEWAY and SETUP in self._faults:
            options.append("--careless")
        if name in _BELOW:
            options += ["--next-port", str(self._ports[_BELOW[name]])]
        if name == "backend" and self._programs is not None:
            options += ["--database", str(self._socket(DATABASE))]
        process = await self._start("service", options, key=name)
        deadline = asyncio.get_running_loop().time() + _READY_S
        while asyncio.get_running_loop().time() < deadline and process.returncode is None:
            with contextlib.suppress(OSError, TimeoutError, ValueError):
                if (await ask(str(self._socket(name)), "GET", "/fault", timeout_s=1.0)).status == 200:
                    return
            await asyncio.sleep(0.05)
        raise LilFoxError(
            tr("the demo's {service} did not start on port {port}", service=name, port=self._ports[name]),
            tr("start the demo again: another program may have taken the port"),
        )

    async def _start(self, module: str, options: list[str], *, key: str = "") -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"lilfox_tui.demo.{module}", *options, "--shared-folder", str(self.folder),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
        self._processes[key or module] = process
        return process

    def _state(self, service: str) -> tuple[str, int]:
        return self._faults.get(service, ""), self._ports[service]

    def _end_jobs(self) -> None:
        """End running jobs, such as runbook runs, that would otherwise wait for ever."""
        from lilfox_tui.jobs.listing import Listing, request_end

        for job in Listing([self.state_dir / "lilfox" / "jobs"]).look():
            if job.state == "running":
                with contextlib.suppress(LilFoxError):
                    request_end(job)

    async def _end_all(self) -> None:
        await self._open.aclose()
        await asyncio.to_thread(self._end_jobs)
        processes = list(self._processes.values())
        for process in processes:
            if process.stdin is not None:
                process.stdin.close()
        try:
            async with asyncio.timeout(_END_S):
                await asyncio.gather(*(process.wait() for process in processes))
        except TimeoutError:
            for process in processes:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
            await asyncio.gather(*(process.wait() for process in processes))
        remove(self.folder)


# ``lilfox demo --no-ui``: the stand-in stack without a screen.


async def run_headless(
    faults: Sequence[str], *, say: Callable[[Message], None], host: str = "localhost", port_base: int | None = None
) -> None:
    """Run the stack until SIGINT or SIGTERM; report to ``say`` what runs where.

    ``faults`` are ``SERVICE:KIND``; ``host`` is what this machine is called. Raises UsageError for a fault that does
    not exist, before anything is started, and LilFoxError when a service does not come up.
    """
    wanted = [parse_fault(text) for text in faults]
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, over.set)
    try:
        async with Stack(port_base=port_base) as stack:
            for name, service in stack.services.items():
                say(tr("{service}: {url}", service=name, url=service.url))
            say(tr("logs: {folder}", folder=stack.log_dir))
            await _start_database(stack, say)
            for service_name, kind in wanted:
                await stack.fault(service_name, kind)
                say(tr("{service}: injected fault {kind}", service=service_name, kind=kind))
            say(tr("open the console with: {command}", command=_command(stack, host)))
            say(tr("press ctrl-c to stop"))
            await over.wait()
    finally:
        for number in signals:
            with contextlib.suppress(ValueError):
                loop.remove_signal_handler(number)


async def _start_database(stack: Stack, say: Callable[[Message], None]) -> None:
    """Start the database; if that fails, the rest goes on."""
    try:
        await stack.start_database()
    except LilFoxError as error:
        say(tr("{error}; {hint}", error=error, hint=error.hint or tr("everything else keeps running")))
    else:
        say(tr("database: PostgreSQL in {folder}", folder=stack.folder))


def _command(stack: Stack, host: str) -> str:
    """Return the command that opens a console on the stack in another terminal, showing only the demo's jobs."""
    config = stack.write_config(host)
    return f"XDG_STATE_HOME={shlex.quote(str(stack.state_dir))} lilfox --config {shlex.quote(str(config))}"
