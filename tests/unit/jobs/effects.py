"""Small effects, and the process that runs them: lilfox itself runs none but its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lilfox_tui.core.errors import ConfigError, LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.jobs import child
from lilfox_tui.jobs.model import JobRequest, Outcome, Run
from lilfox_tui.jobs.start import start

SECRET = "hunter2canary"


def main(argv: Sequence[str]) -> int:
    """As the process of a job has it, for the effects of this file."""
    return child.main(argv, package="tests")


def request(effect: str, *, key: str = "", title: str = "", **arguments: Any) -> JobRequest:
    """A request for an effect of this file; with a key of its own where none is given."""
    return JobRequest(
        entry=f"{__name__}:{effect}",
        kind="test",
        title=title or effect,
        key=key or os.urandom(8).hex(),
        arguments=arguments,
    )


def begin(
    effect: str, *, key: str = "", title: str = "", env: Mapping[str, str] | None = None, **arguments: Any
) -> str:
    """Begins it; gives the job's id."""
    return start(request(effect, key=key, title=title, **arguments), env=env, module=__name__)


async def copies(run: Run, arguments: dict[str, Any]) -> Outcome:
    """All that an effect may say, and an end."""
    run.say("three parts", "note")
    run.intent("write one")
    for done in (0, 50, 100):
        run.moved("one", done, 100)
    run.done("one is written")
    return Outcome("ok", "copied", "", 0, {"written": 1, **arguments})


async def waits(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Goes on until the file ``until`` is there; when cancelled it cleans up, which takes until ``clean`` is there."""
    run.intent("make a folder")
    run.say("waiting", "note")
    try:
        await _file(arguments["until"])
    except asyncio.CancelledError:
        if clean := arguments.get("clean"):
            await _file(clean)
        run.say("cleaned up", "good")
        raise
    run.done("made")
    return Outcome("ok", "waited")


async def _file(path: str) -> None:
    while not os.path.exists(path):  # noqa: ASYNC240  a look takes no time
        again = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, again.set)
        await again.wait()


async def dies(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Is killed in the middle of what it intended."""
    run.intent("rename lilfox")
    os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.Event().wait()
    return Outcome("ok", "")


async def fails(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Raises what ``how`` says."""
    match arguments["how"]:
        case "expected":
            raise LilFoxError(tr("no room on {where}", where="/backup"), tr("make room"))
        case "config":
            raise ConfigError(tr("two problems"), ("a:1: one", "a:2: two"))
        case "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(fails(run, {"how": "expected"}))
        case "cancelled":
            raise asyncio.CancelledError
        case "exit":
            sys.exit(7)
    secret = SECRET
    raise RuntimeError(f"password={secret}")


async def leaks(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Says a secret wherever something can be said."""
    url = f"postgresql://lilfox:{SECRET}@db/lilfox"
    run.intent(f"read {url}")
    run.done(f"password={SECRET}")
    run.say(f"Authorization: Bearer {SECRET}", "bad")
    run.moved(url, 1, 2)
    sys.stderr.write(f"connecting to {url}\n-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----\n")
    await (await asyncio.create_subprocess_exec("/bin/echo", f"token={SECRET}")).wait()
    return Outcome("ok", url, f"secret: {SECRET}", 0, {"password": SECRET, "urls": [url], "n": {url: "x"}})


async def chatters(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Says far too much, from several threads."""

    def much(number: int) -> None:
        for line in range(arguments["lines"]):
            run.say(f"{number} {line} " + "x" * arguments["length"])
            run.moved(f"part {number}", line, arguments["lines"])

    threads = [threading.Thread(target=much, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for line in range(arguments.get("output", 0)):
        os.write(2, f"{line} {'y' * 1000}\n".encode())
    return Outcome("ok", "z" * 5000, "", 0, {"big": "b" * arguments.get("result", 0)})


async def fills(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Fills the disk of ``disk``, then wants to go on; ``touch`` is what the effect would make."""
    run.moved("one", 1, 2)
    with (Path(arguments["disk"]) / "rest").open("wb", buffering=0) as rest:
        try:
            while True:
                rest.write(b"x" * 512)
        except OSError:
            pass
    run.say("x" * 1500)
    run.say("y" * 1500)
    run.say("z" * 1500)
    run.moved("one", 2, 2)
    run.intent("touch " + "i" * 1900)
    os.close(os.open(arguments["touch"], os.O_CREAT))
    return Outcome("ok", "touched")


async def tells_surroundings(run: Run, arguments: dict[str, Any]) -> Outcome:
    """What a job's process is like."""
    umask = os.umask(0o077)
    os.umask(umask)
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
        terminal = True
    except OSError:
        terminal = False
    standard = [os.readlink(f"/proc/self/fd/{number}") for number in range(3)]
    listing = await asyncio.create_subprocess_exec(
        "/bin/ls", "-l", "/proc/self/fd", stdout=asyncio.subprocess.PIPE, close_fds=False
    )
    fds = (await listing.communicate())[0].decode()
    return Outcome(
        "ok",
        "",
        result={
            "umask": umask, "terminal": terminal, "standard": standard, "cwd": os.getcwd(), "env": dict(os.environ),
            "session": os.getsid(0), "pid": os.getpid(), "modules": sorted(sys.modules), "child_fds": fds,
        },
    )  # fmt: skip


async def dies_at(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Makes three files, each intended before; kills itself after so many steps."""
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == arguments["steps"]:
            os.kill(os.getpid(), signal.SIGKILL)

    step()
    for name in "abc":
        run.intent(name)
        step()
        os.close(os.open(os.path.join(arguments["folder"], name), os.O_CREAT))
        step()
        run.done(name)
        step()
    return Outcome("ok", "three files")
