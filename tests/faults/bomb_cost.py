"""What it costs to be given something that is made to cost much.

Run by a process of its own, which prints a row of JSON for each bomb of the group that is named. ``cpu_s`` is the time
on a core until the sentence came, of all threads; ``block_s`` the longest time on a core between two turns of the loop;
``mib`` the most memory above what the process held before the first. None of them grows where others use the machine.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from lilfox_tui.backup.store import BrokenSet
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.redact import redact
from lilfox_tui.runbook.parse.document import parse
from tests.faults import test_http_bombs as http
from tests.faults.test_endless_listing import endless
from tests.services.http_servers import serving
from tests.services.sshd import sshd_lab
from tests.unit.backup.files.test_sparse_bombs import END, seen, sparse
from tests.waiting import turn

KIB = 1024
Bomb = Callable[[], Awaitable[str]]


def _http(talk: http.Sender, ask: http.Ask) -> Bomb:
    async def bomb() -> str:
        async with serving(talk) as port:
            return await ask(f"http://127.0.0.1:{port}", 60)

    return bomb


def _said(make: Callable[[], object]) -> Bomb:
    """Of what runs at one go, in the loop."""

    async def bomb() -> str:
        try:
            make()
        except (LilFoxError, BrokenSet) as error:
            return str(error)
        return "read"

    return bomb


async def _listing() -> str:
    with sshd_lab() as lab:
        async with endless(lab) as host:
            files = await host.open_sftp()
            try:
                await files.listing("/backup")
            except LilFoxError as error:
                return str(error)
    return ""


def _answers() -> dict[str, Bomb]:
    made: dict[str, Bomb] = {}
    for name, talk in (*http.BODIES.items(), *http.HEADS.items()):
        for ask in http.READERS:
            made[f"{name} of {ask.__name__}"] = _http(talk[0], ask)
    for name, body in http.ANSWERS.items():
        for ask in (http.logs, http.prometheus, http.alertmanager):
            head = http.OK + b"Content-Length: %d\r\n\r\n" % len(body)
            made[f"{name} of {ask.__name__}"] = _http(http.Sender(head, http.once(body)), ask)
    rules = http.rules(100_000)
    made["rules of prometheus"] = _http(
        http.Sender(http.OK + b"Content-Length: %d\r\n\r\n" % len(rules), http.once(rules)), http.prometheus
    )
    return made


def _archives() -> dict[str, Bomb]:
    holes = sparse("a", 2**62, b"1\n%d\n0\n" % 2**62)
    return {
        "holes": _said(lambda: seen(holes + END)),
        "holes twice": _said(lambda: seen(holes + holes.replace(b"name=a", b"name=b") + END)),
        "a map without an end": _said(
            lambda: seen(sparse("a", 2**40, b"99999999\n" + b"1\n1\n" * (16 * KIB * KIB // 4)))
        ),
    }


TEXTS = {
    "a line of 80 KB": "password " * 9000,
    "a line of equals": "a=" * 40_000,
    "a line of blanks": "token:" + " " * 80_000,
    "a line of quotes": '"' * 80_000,
    "a line of dashes": "-----BEGIN " * 7000,
    "a line of dots": "eyJ." * 20_000,
}
DOCUMENTS = {
    "a heading of blanks": "# x" + " " * 20_000 + "y",
    "stars": "*a " * 20_000,
    "brackets": "[" * 50_000,
    "quotes in quotes": "> " * 20_000,
    "lists in lists": "\n".join(" " * (2 * depth) + "1. x" for depth in range(400)),
    "a pattern": '# a\n\n1. b\n\n```sh {"pattern": "a{99999999999999}"}\nls\n```\n',
    "a number": "---\nversion: " + "9" * 5000 + "\n---\n# a\n",
    "fences": "```\n" * 20_000,
}


def _texts() -> dict[str, Bomb]:
    made = {name: _said(lambda text=text: redact(text)) for name, text in TEXTS.items()}  # type: ignore[misc]
    for name, text in DOCUMENTS.items():
        made[name] = _said(lambda text=text: parse(text.encode(), "x.md"))  # type: ignore[misc]
    return made


GROUPS: dict[str, Callable[[], dict[str, Bomb]]] = {
    "answers": _answers, "archives": _archives, "texts": _texts, "listing": lambda: {"listing": _listing}
}  # fmt: skip


@asynccontextmanager
async def _turns() -> AsyncIterator[list[float]]:
    """Time on a core between two turns of a task that only waits its turn."""
    gaps: list[float] = []

    async def tick() -> None:
        before = time.thread_time()
        while True:
            await turn()
            now = time.thread_time()
            gaps.append(now - before)
            before = now

    ticking = asyncio.create_task(tick())
    try:
        yield gaps
    finally:
        ticking.cancel()


def _memory(field: str) -> float:
    """MiB that the process holds (``VmRSS``) or held at most (``VmHWM``)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) / KIB


async def _measure(bomb: Bomb) -> dict[str, object]:
    before = time.process_time()
    async with _turns() as gaps:
        await turn()
        said = await bomb()
        await turn()
    return {"said": said, "cpu_s": time.process_time() - before, "block_s": max(gaps)}


def main(group: str) -> None:
    bombs = GROUPS[group]()
    held = _memory("VmRSS")
    for name, bomb in bombs.items():
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
        row = asyncio.run(_measure(bomb)) | {"name": name, "mib": 0.0}
        sys.stdout.write(json.dumps(row | {"mib": _memory("VmHWM") - held}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
