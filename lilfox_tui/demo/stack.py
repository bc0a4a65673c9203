"""The stand-in stack: three services, their users and a database as real processes in one private folder.

The processes hear of this one's end by their stdin; whoever of them ends last removes the folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from lilfox_tui.config.model import ServiceConfig
from lilfox_tui.config.types import Seconds
from lilfox_tui.demo.application import DATABASE_FOLDER, DISK, make_application, write_config
from lilfox_tui.demo.faults import DATABASE, FAULTS_OF, HEALED, SERVICES, STORE
from lilfox_tui.demo.lifetime import SharedFolder, remove, remove_left
from lilfox_tui.demo.programs import server_account, server_programs
from lilfox_tui.demo.stack_control import Control, controlled
from lilfox_tui.demo.wire import ask
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, tr
from lilfox_tui.text import clean

_READY_S = 30.0
_END_S = 2.0
_DATABASE_READY_S = 60.0
_FOLDER_BYTES = 60
"""Leaves room for the demo's own folder and db/.s.PGSQL.5432 in the 108 bytes of sun_path (unix(7))."""
_BELOW = {"gateway": "backend", "backend": "model"}


def _free_port(wanted: int, taken: set[int]) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found = int(probe.getsockname()[1])
        if found not in taken:
            return found
    raise LilFoxError(tr("no free port on 127.0.0.1 for the demo's services"))


def _short_folder() -> Path:
    """The folder for temporary files, unless sockets in it would be longer than a UNIX socket's name may be."""
    folder = tempfile.gettempdir()
    short = folder if len(os.fsencode(folder)) <= _FOLDER_BYTES else "/tmp"  # noqa: S108 -- mkdtemp makes it private
    return Path(short)


class Stack:
    """``async with Stack() as stack``: three services that answer, until the block ends. The database is started when
    it is asked for: it takes seconds.

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
        self._programs = server_programs()
        self._open = contextlib.AsyncExitStack()
        self.folder = Path()

    @property
    def log_dir(self) -> Path:
        """Where the services write ``lilfox-NAME.log``."""
        return self.folder / "logs"

    @property
    def logs(self) -> dict[str, Path]:
        """The log of each service. Its times are UTC and do not say so, as the manual's formatter has it."""
        return {name: self.log_dir / f"lilfox-{name}.log" for name in SERVICES}

    @property
    def services(self) -> dict[str, ServiceConfig]:
        """What to watch."""
        return {
            name: ServiceConfig(
                url=f"http://127.0.0.1:{port}", every=Seconds(2), timeout=Seconds(2), metrics_every=Seconds(2)
            )
            for name, port in self._ports.items()
        }

    @property
    def state_dir(self) -> Path:
        """For XDG_STATE_HOME: jobs and restores of the demo are no one else's, and go with it."""
        return self.folder / "state"

    @property
    def targets(self) -> dict[str, dict[str, Message]]:
        """What can be made ill here, each with the kinds of that."""
        there = DATABASE if self._programs is not None else ""
        return {name: kinds for name, kinds in FAULTS_OF.items() if name in (*SERVICES, STORE, there)}

    def write_config(self, host: str) -> Path:
        """Writes what watches and backs up all of this into a configuration file; ``host`` names this machine."""
        return write_config(self.folder, self.services, self.logs, host=host, database=self._programs is not None)

    def pids(self) -> dict[str, int]:
        """The processes that run, ``traffic`` among them."""
        return {name: process.pid for name, process in self._processes.items() if process.returncode is None}

    def faults(self) -> list[tuple[str, str]]:
        """The faults in force, as (service, kind)."""
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
            await asyncio.gather(*(self._start_service(name) for name in SERVICES))
            await self._start("traffic", ["--port", str(self._ports["gateway"]), "--rate", str(self._rate)])
            await self._open.enter_async_context(controlled(self.folder, Control(self._state, self.fault, self.heal)))
        except BaseException:
            await self._end_all()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self._end_all())

    async def start_database(self) -> None:
        """Returns once the database has its rows. Raises LilFoxError where PostgreSQL is not installed, or why it does
        not run."""
        if self._programs is None:
            raise LilFoxError(
                tr("the demo has no database: PostgreSQL's programs are not installed"),
                tr("install them and start it again: apt-get install postgresql"),
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
            raise LilFoxError(tr("the demo's database does not run: {reason}", reason=clean(state)))

    async def fault(self, service: str, kind: str) -> None:
        """Makes one of ``targets`` ill. Raises LilFoxError when it does not take it."""
        if service == STORE:
            self._move_disk(away=True)
        elif service == DATABASE:
            await self._tell(service, kind)
            return  # what is gone is gone: no fault that lasts
        else:
            await self._make_service_ill(service, kind)
        self._faults[service] = kind

    async def _make_service_ill(self, service: str, kind: str) -> None:
        if self._processes[service].returncode is not None:
            await self._start_service(service)
        try:
            await self._tell(service, kind)
        except ConnectionResetError:
            if kind != "crash":
                raise
            await self._processes[service].wait()

    async def heal(self, service: str) -> None:
        """Takes the fault away; a service that died is started again on its port. What the database lost comes back by
        a restore only: raises LilFoxError."""
        if service == DATABASE:
            raise LilFoxError(
                tr("what the database lost does not come back by itself"), tr("restore it: pane 3, choose a set, r")
            )
        if service == STORE:
            self._move_disk(away=False)
        elif self._processes[service].returncode is None:
            await self._tell(service, HEALED)
        else:
            await self._start_service(service)
        self._faults.pop(service, None)

    def _move_disk(self, *, away: bool) -> None:
        here, there = self.folder / DISK, self.folder / f"{DISK}-unplugged"
        with contextlib.suppress(FileNotFoundError):
            (here if away else there).rename(there if away else here)

    async def _tell(self, service: str, kind: str) -> None:
        body = json.dumps({"kind": kind}).encode()
        try:
            response = await ask(str(self._socket(service)), "POST", "/fault", body=body)
        except ConnectionResetError:
            raise
        except (OSError, TimeoutError, ValueError) as error:
            raise LilFoxError(
                tr("the demo's {service} cannot be told: {reason}", service=service, reason=error)
            ) from error
        if response.status != 200:
            why = json.loads(response.body or b"{}").get("error", "")
            raise LilFoxError(
                tr("the demo's {service} did not take the fault {kind}: {why}", service=service, kind=kind, why=why)
            )

    def _socket(self, service: str) -> Path:
        return self.folder / f"{service}.sock"

    async def _start_service(self, name: str) -> None:
        options = [name, "--port", str(self._ports[name]), "--log-dir", str(self.log_dir)]
        options += ["--log-bytes", str(self._log_bytes), "--control", str(self._socket(name))]
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
            tr("the demo's {service} did not come up on port {port}", service=name, port=self._ports[name]),
            tr("start it again: another program may have taken the port just then"),
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
        """Those that wait, such as runs of runbooks, would wait for ever."""
        from lilfox_tui.jobs.control import request_end
        from lilfox_tui.jobs.listing import Listing

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
