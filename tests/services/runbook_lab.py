"""Runbooks on two hosts that answer to SSH and on this machine, in real jobs that are ordered by a test."""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lilfox_tui.jobs import child
from lilfox_tui.jobs.listing import find_job
from lilfox_tui.jobs.model import Job
from lilfox_tui.jobs.reader import EventReader
from lilfox_tui.jobs.start import start
from lilfox_tui.runbook.model import Runbook
from lilfox_tui.runbook.parse.document import read
from lilfox_tui.runbook.run import output, persistence
from lilfox_tui.runbook.run.protocol import Order, RunAll, RunOne, RunOpened, RunRequest, decode_facts, request_of, send
from lilfox_tui.runbook.run.reducer import RunReducer
from lilfox_tui.runbook.run.state import CommandResult, RunState
from tests.services.sshd import Sshd, SshdLab
from tests.waiting import wait_for


class RunbookLab:
    """``web1`` and ``web2`` are servers of ``lab``, ``here`` is this machine; ``addresses`` puts another address and
    port (of a relay) in a server's place. The configuration and the runbook are in ``folder``."""

    def __init__(self, folder: Path, lab: SshdLab, addresses: Mapping[str, tuple[str, int]] | None = None) -> None:
        self.folder, self.lab = folder, lab
        self.config, self.path = folder / "config.yaml", folder / "runbook.md"
        self.servers: dict[str, Sshd] = dict(zip(("web1", "web2"), lab.servers, strict=False))
        self._addresses = addresses or {}
        self.configure()

    def configure(self, more: str = "", **of_hosts: dict[str, Any]) -> None:
        """Writes the configuration, with more keys for some hosts."""
        hosts: dict[str, Any] = {"here": {"local": True}}
        for name, server in self.servers.items():
            address, port = self._addresses.get(name, (server.address, server.port))
            hosts[name] = {
                "address": address,
                "port": port,
                "user": getpass.getuser(),
                "identity": str(self.lab.client_key),
            }
        for name, keys in of_hosts.items():
            hosts[name] |= keys
        ssh = {
            "config_files": [],
            "known_hosts": [str(self.lab.known_hosts)],
            "connect_timeout": "5s",
            "keepalive": "1s",
            "retry_max": "1s",
        }
        self.config.write_text(f"hosts: {json.dumps(hosts)}\nssh: {json.dumps(ssh)}\n{more}")
        self.config.chmod(0o600)

    def write(self, *steps: str, front: str = "") -> Path:
        """A runbook; each step is what stands in its item, such as fences."""
        text = f"---\n{front}\n---\n" if front else ""
        text += "# Made\n\n"
        for number, step in enumerate(steps):
            body = "\n".join(f"   {line}".rstrip() for line in step.strip("\n").split("\n"))
            text += f"{number + 1}. Step {number + 1}\n\n{body}\n\n"
        self.path.write_text(text)
        return self.path

    @property
    def sha256(self) -> str:
        """Of the runbook's file now."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def begin(
        self,
        *,
        resumes: str = "",
        hosts: str = "",
        values: dict[str, str] | None = None,
        module: str = child.__name__,
        runbook: Runbook | None = None,
    ) -> str:
        """Begins a run of it in a process of ``module``; the job's id. ``runbook``: as somebody has seen it, where that
        is not what its file says."""
        if runbook is None:
            document = read(self.path)
            assert not [problem for problem in document.problems if problem.severity == "error"], document.problems
            (runbook,) = document.runbooks
        request = RunRequest(
            path=str(self.path),
            runbook=runbook.id,
            sha256=runbook.sha256,
            config=str(self.config),
            hosts=hosts,
            values=values or {},
            resumes=resumes,
        )
        return start(request_of(request, runbook), module=module)

    def order(self, job: str, order: Order) -> None:
        """Gives it; raises OrderRefused."""
        asyncio.run(send(self.job_folder(job), order))

    def run_one(self, job: str, step: int = 1, command: int = 1, **more: Any) -> None:
        """Orders a command, counted from 1."""
        more.setdefault("sha256", self.path.exists() and self.sha256)
        self.order(job, RunOne(step=step - 1, command=command - 1, **more))

    def run_all(self, job: str, **more: Any) -> Job:
        """Orders all of it, and gives the job once it has ended."""
        more.setdefault("sha256", self.path.exists() and self.sha256)
        self.order(job, RunAll(**more))
        return self.ended(job)

    def ended(self, job: str) -> Job:
        """The job, once it has ended."""
        wait_for(lambda: find_job(job).state != "running", timeout_s=120, what=f"{job} has ended")
        return find_job(job)

    def job_folder(self, job: str) -> Path:
        """Where it lies."""
        return Path(find_job(job).folder)

    def runbook(self, job: str) -> Runbook:
        """As the run has it, once it has opened it."""
        wait_for(lambda: self.state(job) is not None, timeout_s=60, what=f"{job} has opened its run")
        return persistence.read_snapshot(self.job_folder(job))

    def state(self, job: str) -> RunState | None:
        """The run as its facts tell it; None before it is opened."""
        folder = self.job_folder(job)
        facts = list(decode_facts(EventReader(folder).read()))
        if not any(isinstance(fact, RunOpened) for fact in facts):
            return None
        reducer = RunReducer(persistence.read_snapshot(folder))
        reducer.take(facts)
        return reducer.state()

    def until(self, job: str, what: str, step: int = 1, command: int = 1) -> CommandResult:
        """The last result of a command (counted from 1), once the command's state is ``what``."""
        seen: list[CommandResult] = []

        def there() -> bool:
            state = self.state(job)
            if state is None:
                return False
            found = state.steps[step - 1].commands[command - 1]
            seen[:] = found.results[-1:]
            return found.state == what

        wait_for(there, timeout_s=60, what=f"step {step} is {what}: {seen}")
        return seen[0]

    def results(self, job: str, step: int = 1, command: int = 1) -> dict[str, CommandResult]:
        """Of a command (counted from 1), by host."""
        state = self.state(job)
        assert state is not None
        return {each.host: each for each in state.steps[step - 1].commands[command - 1].results}

    def printed(self, job: str, result: CommandResult) -> str:
        """What is kept of what it printed."""
        return output.read_output(self.job_folder(job), result.run).text

    def on_host(self, name: str) -> Path:
        """The home of the login there."""
        return self.servers[name].folder


def fence(text: str, attributes: str = "") -> str:
    """A bash fence."""
    return f"```bash {attributes}".rstrip() + f"\n{text}\n```\n"
