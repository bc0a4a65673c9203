"""A sandbox with real servers in which runbooks try to change something where nothing may be changed.

``boxed`` starts this module in namespaces of its own (network, mounts, processes), where the machine's files cannot be
written and no right is left that reaches beyond: what a wrong verdict lets through hits a folder in memory, a
PostgreSQL, a Redis and the network of the namespace, nothing else. Each attempt is a runbook, run by
``runbook/run/job.py`` and ordered through its socket, as a job's is.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec

from lilfox_tui.config.loader import load
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.jobs.model import Level
from lilfox_tui.runbook.model import Variable
from lilfox_tui.runbook.parse.document import read
from lilfox_tui.runbook.run import job
from lilfox_tui.runbook.run.gate import let_argv_through, offered
from lilfox_tui.runbook.run.protocol import FinishRun, Order, RunAll, RunOne, RunRequest, Stop, TerminalBegins, send
from tests.lifetime import ending_with_us
from tests.services.hostile_commands import BEFORE, Attempt, attempts
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.redis_server import RedisServer

IN_BOX = "LILFOX_TESTS_IN_BOX"
BATCH = 100
"""So many attempts are made before all is compared."""
ENDS_S = 3.0
"""What reads for longer is stopped."""
_WITHOUT = "-sys_admin,-sys_time,-sys_boot,-sys_module,-syslog,-sys_rawio,-sys_ptrace,-mknod"
_SQL = """
create table kept (id int); insert into kept values (1), (2); create sequence numbers;
create table log (id int);
create function touched() returns int language sql as 'insert into log values (1) returning 1';
"""


class Told:
    """A job, as its effect sees it: what it tells is heard, and its folder is one for all."""

    def __init__(self, folder: Path, number: int) -> None:
        self.id, self.folder = f"20260101-000000-{number:04x}", folder
        self.folder.mkdir()
        self.ran: list[int] = []
        """Numbers of the commands that began, from 0."""
        self.over = 0
        self.listens, self.ended = asyncio.Event(), asyncio.Event()

    def intent(self, text: str, *, sync: bool = True) -> None:
        """Nothing."""

    def done(self, text: str, *, worked: bool = True, sync: bool = True) -> None:
        """Nothing."""

    def moved(self, part: str, done_bytes: int, total_bytes: int | None = None) -> None:
        """Nothing."""

    def say(self, text: str, level: Level = "note") -> None:
        """The first thing that it says is that it waits for orders."""
        self.listens.set()

    def fact(self, name: str, value: dict[str, Any], *, sync: bool = False) -> None:
        """Counts the commands that began, and those that ended."""
        self.ran += [value["command"]] if name == "began" else []
        self.over += name == "ended"
        if name == "ended":
            self.ended.set()


class Box:
    """What there is to be changed."""

    def __init__(self, folder: Path, server: Postgres, redis: RedisServer, victim: int) -> None:
        self.folder, self.tree, self.server, self.redis = folder, folder / "home", server, redis
        self._victim = victim
        self.tree.mkdir()
        (self.tree / "folder" / "empty").mkdir(parents=True)
        (self.tree / "folder" / "x").write_text("x")
        self.words = {
            "F": str(self.tree / "made"),
            "X": str(self.tree / "kept"),
            "P": str(self.tree / "prog"),
            "D": str(self.tree / "folder"),
            "G": str(self.tree / "repository"),
            "R": str(redis.port),
            "C": str(victim),
        }
        (self.tree / "kept").write_text("text\n")
        for name in ("prog", "folder/prog"):
            (self.tree / name).write_text(f"#!/bin/sh\ntouch {self.words['F']}\n")
            (self.tree / name).chmod(0o755)
        git = ["git", "-C", self.words["G"], "-c", "user.name=x", "-c", "user.email=x@x"]
        shell("git", "init", "-q", self.words["G"])
        (self.tree / "repository" / "text").write_text("text\n")
        shell(*git, "add", ".")
        shell(*git, "commit", "-qm", "first")
        server.csv(_SQL)
        shell("redis-cli", "-p", str(redis.port), "set", "canary", "kept")
        for words in ("nft add table inet kept", "iptables -A FORWARD -c 5 500 -j ACCEPT"):
            shell(*words.split())

    def state(self) -> dict[str, str]:
        """All that there is, by name. What its own looks leave is not in it."""
        found = dict(self._files())
        folder, port = str(self.server.folder), str(self.server.port)
        database = shell("pg_dumpall", "-h", folder, "-p", port, "-U", SUPERUSER, "--restrict-key=x")
        found |= {"database": database, "log": str(self.server.csv("select count(*) from log"))}
        found["server"] = str(self.server.csv("select pg_conf_load_time(), pg_postmaster_start_time()"))
        for words in ("dbsize", "get canary", "config get *", "acl list", "role", "lastsave"):
            found[f"redis {words}"] = shell("redis-cli", "-p", str(self.redis.port), *words.split())
        for words in (
            "ip -o addr", "ip -o link", "ip route show table all", "ip rule", "ip neigh", "nft list ruleset",
            "iptables-save -c", "ss -Hltn", "hostname", "tc qdisc", "sysctl net.ipv4.ip_forward",
        ):  # fmt: skip
            found[words] = without_counts(shell(*words.split()))
        found["victim"] = Path(f"/proc/{self._victim}/stat").read_text().split(")")[1][:3]
        found["nice"] = str(os.getpriority(os.PRIO_PROCESS, self._victim))
        return found

    def _files(self) -> Iterator[tuple[str, str]]:
        for folder, folders, names in os.walk(self.tree):
            if Path(folder) == self.tree and ".cache" in folders:
                folders.remove(".cache")  # where fences leave what is carried on (runbook/shell.py)
            for name in (*folders, *names):
                path = Path(folder, name)
                about = path.lstat()
                text = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
                looks = (oct(about.st_mode), about.st_uid, about.st_size, hashlib.sha1(text).hexdigest())
                yield str(path), f"{looks}{about.st_mtime_ns if path.is_file() else ''}"


def shell(*argv: str) -> str:
    """What a program prints, whatever comes of it."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, check=False)
    return done.stdout


def without_counts(text: str) -> str:
    """Chains count what we ask through the loopback; the rule that was put there has counts of its own, and none comes
    by."""
    return "\n".join(line for line in text.split("\n") if not line.startswith((":", "#")))


class Trying:
    """Attempts under one protection: ``--read-only``, ``read_only: true``, or a host that is ``protected``."""

    def __init__(self, box: Box, protection: str) -> None:
        self.box, self.protection = box, protection
        self.config = box.folder / f"{protection}.yaml"
        host = {"local": True, "protected": protection == "protected"}
        written = {"hosts": {"here": host}, "read_only": protection == "read_only"}
        self.config.write_text(json.dumps(written))
        self.config.chmod(0o600)
        self._number = 0

    async def ran(self, attempt: Attempt) -> bool:
        """Makes it; whether it was run, more than what only stands before it. It is refused by an error, wherever."""
        self._number += 1
        with suppress(LilFoxError):
            if attempt.way == "from":
                await offered(self._loaded(), Variable(name="x", from_=attempt.text), ("here",))
                return True
            if attempt.way == "log":
                return await self._log(attempt)
            return await self._runbook(attempt)
        return False

    def _loaded(self) -> Config:
        config = load(self.config).config
        return msgspec.structs.replace(config, read_only=config.read_only or self.protection == "flag")

    async def _log(self, attempt: Attempt) -> bool:
        try:
            argv = shlex.split(attempt.text)
        except ValueError:
            return False
        config = self._loaded()
        let_argv_through(config, "here", argv)
        host = LocalHost("here", config.hosts["here"])
        try:
            await host.run(argv, timeout_s=ENDS_S)
        finally:
            await host.close()
        return True

    async def _runbook(self, attempt: Attempt) -> bool:
        path = self.box.folder / f"{self.protection}-{self._number}.md"
        lines = "".join(f"   {line}\n".replace("   \n", "\n") for line in attempt.text.split("\n"))
        path.write_text(f"# Made\n\n1. Step\n\n   ```bash {json.dumps(attempt.attributes)}\n{lines}   ```\n")
        document = read(path)
        told = Told(self.box.folder / "jobs" / f"{self.protection}-{self._number}", self._number)
        request = RunRequest(
            path=str(path),
            runbook=document.runbooks[0].id,
            sha256=document.sha256,
            config=str(self.config),
            read_only=self.protection == "flag",
        )
        running = asyncio.ensure_future(job.run(told, msgspec.to_builtins(request)))
        waiting = asyncio.ensure_future(told.listens.wait())
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        try:
            for number in range(len(document.runbooks[0].steps[0].commands)):
                await self._ordered(told, running, self._order(attempt, number, document.sha256))
        finally:
            if not running.done():
                with suppress(LilFoxError):
                    await send(told.folder, FinishRun(abort=True))
            await asyncio.wait([running], timeout=60)
            with suppress(LilFoxError):
                running.result()
        commands = document.runbooks[0].steps[0].commands
        return any(commands[number].text not in BEFORE for number in told.ran)

    def _order(self, attempt: Attempt, number: int, sha256: str) -> Order:
        if attempt.way == "terminal":
            return TerminalBegins(step=0, command=number, host="here", sha256=sha256, values=attempt.values)
        if attempt.way == "all":
            return RunAll(sha256=sha256, values=attempt.values)
        return RunOne(step=0, command=number, sha256=sha256, values=attempt.values, again=True, seen=True)

    async def _ordered(self, told: Told, running: asyncio.Future[Any], order: Order) -> None:
        if running.done():
            return
        told.ended.clear()
        with suppress(LilFoxError):
            await send(told.folder, order)
            loop = asyncio.get_running_loop()
            late_s = loop.time() + ENDS_S
            while not running.done() and (told.over < len(told.ran) or (not told.ran and isinstance(order, RunAll))):
                with suppress(TimeoutError):
                    await asyncio.wait_for(told.ended.wait(), 0.05)
                if loop.time() > late_s:
                    with suppress(LilFoxError):
                        await send(told.folder, Stop())
                    late_s += ENDS_S


async def tried(box: Box, seed: int, count: int) -> dict[str, Any]:
    """Makes all attempts; what was changed, by what of a batch, and where it ran or not as it must not."""
    ways = [Trying(box, protection) for protection in ("flag", "read_only", "protected")]
    made = attempts(seed, count, box.words)
    before, ran, wrong, differences = box.state(), 0, list[str](), list[dict[str, Any]]()
    for first in range(0, len(made), BATCH):
        some: list[str] = []
        for number, attempt in enumerate(made[first : first + BATCH]):
            it_ran = await ways[(first + number) % len(ways)].ran(attempt)
            told = f"{attempt.way} {json.dumps(attempt.attributes)} {attempt.text!r} {attempt.values}"
            some += [told] if it_ran else []
            if it_ran is not (it_ran if attempt.runs is None else attempt.runs):
                wrong.append(f"{'ran' if it_ran else 'did not run'}: {told}")
        ran += len(some)
        after = await asyncio.to_thread(box.state)
        if changed := sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)):
            differences.append({"changed": changed, "ran": some})
        before = after
    return {"attempts": len(made), "ran": ran, "wrong": wrong, "differences": differences}


def main(seed: int, count: int) -> None:
    """Inside the sandbox; the first time with what makes it, then without."""
    if os.environ[IN_BOX] == "to be made":
        shell("mount", "-o", "remount,bind,ro", "/")
        tree = Path(__file__).parents[2]
        opened = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
        for place in ("/tmp", "/run", "/var/tmp", "/dev/shm"):
            shell("mount", "-t", "tmpfs", "none", place)
        if not tree.is_dir():  # it is in one of these places, which hides it now
            tree.mkdir(parents=True)
            shell("mount", "--no-canonicalize", "--bind", f"/proc/{os.getpid()}/fd/{opened}", str(tree))
            shell("mount", "-o", "remount,bind,ro", str(tree))
        os.close(opened)
        os.environ[IN_BOX] = "made"
        argv = ["setpriv", f"--bounding-set={_WITHOUT}", "--", sys.executable, "-m", "tests.services.protected_box"]
        os.execvp(argv[0], [*argv, str(seed), str(count)])
    shell("ip", "link", "set", "lo", "up")
    folder = Path("/tmp/box")
    (folder / "jobs").mkdir(parents=True)
    with ExitStack() as stack:
        server = stack.enter_context(Postgres())
        redis = stack.enter_context(RedisServer("--requirepass", ""))
        victim = stack.enter_context(subprocess.Popen(ending_with_us("sleep", "1000")))
        stack.callback(victim.kill)
        os.environ |= {"PGHOST": str(server.folder), "PGPORT": str(server.port), "PGUSER": SUPERUSER}
        os.environ |= {"HOME": str(folder / "home"), "XDG_STATE_HOME": str(folder / "state"), "PGDATABASE": "postgres"}
        box = Box(folder, server, redis, victim.pid)
        sys.stdout.write(json.dumps(asyncio.run(tried(box, seed, count))))


def boxed(seed: int, count: int) -> dict[str, Any]:
    """What came of ``count`` attempts in a sandbox."""
    argv = ["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"]
    argv += [sys.executable, "-m", __name__, str(seed), str(count)]
    env = {**os.environ, IN_BOX: "to be made", "TMPDIR": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False, env=env)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
