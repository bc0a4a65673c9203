"""``lilfox logs -f`` of a log that is written to all the time: CPU, and how late a line is printed; beside ``tail -F``.

All followers read the same file at the same time, here and over a private sshd. Each line holds a number of its own, so
it is known of each when it was printed, and that none is missing or printed twice.
"""

from __future__ import annotations

import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench import logs_made
from tests.bench.logs import LESS
from tests.bench.on_terminal import CannotMeasure, OnTerminal, tree_cpu_s
from tests.bench.programs import LILFOX, TREE, Peers, environment
from tests.bench.ssh_hosts import config_of
from tests.bench.table import Row, within
from tests.services.sshd import SshdLab, sshd_lab

GOALS = {100: 3.0, 1000: 8.0}
"""Lines a second, and what of a core they may take."""
LATE_MS = 200
KINDS = ("json", "nginx")
SETTLE_S = 3.0
START_S = 30.0
OURS = ("env", f"PYTHONPATH={TREE}", *LILFOX)
_STEP_S = 0.001
_END_S = 5.0
_DIFFERENT = 5000
_MARKS = {"json": (b'"message": "', b" "), "nginx": (b"&by=", b"")}
"""What stands before the number of a line, and after it."""
_NUMBER = re.compile(rb"line-(\d{9})")


def measure(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """Each kind of lines at each rate, here; then those of an SSH host."""
    seconds = 5.0 if quick else 20.0
    for kind in KINDS:
        for rate, goal in GOALS.items():
            yield from _here(home / f"{kind}-{rate}.log", kind, rate, goal, seconds=seconds)
    for rate in GOALS:
        yield _on_screen(home / f"pane-{rate}.log", rate, seconds=seconds)
    with sshd_lab() as lab:
        config = config_of(lab, home, count=1, refresh="2s")
        lab.sshd()
        for rate, goal in GOALS.items():
            yield from _far(home / f"far-{rate}.log", lab, config, rate, goal, seconds=seconds)


def _here(log: Path, kind: str, rate: int, goal: float, *, seconds: float) -> Iterator[Row]:
    quoted = shlex.quote(str(log))
    commands = {
        "text": shlex.join((*LILFOX, "logs", "-f", str(log))),
        "--json": shlex.join((*LILFOX, "logs", "-f", "--json", str(log))),
        "a pattern": shlex.join((*LILFOX, "logs", "-f", f"{log.parent}/{log.name[:-1]}[g]")),
        "of a pipe": f"tail -F {quoted} | {shlex.join((*LILFOX, 'logs', '-'))}",
        "tail -F": f"tail -F {quoted} | cat",
    }
    if kind == "json" and shutil.which("jq"):
        commands["tail -F | jq"] = f"tail -F {quoted} | jq --unbuffered -c ."
    found = _followed(log, kind, rate, commands, seconds=seconds)
    peers = "  ".join(f"{found[name].percent:.1f} %  {name}" for name in commands if name.startswith("tail"))
    for name in list(commands)[:4]:
        what = f"{rate:,} {kind} lines a second, {name}"
        yield replace(within(f"{what}: CPU", found[name].percent, goal, "%"), peer=peers)
        late = within("  95 of 100 lines printed within", found[name].late_ms, LATE_MS, "ms")
        yield replace(late, peer=f"{found['tail -F'].late_ms:.0f} ms  tail -F")


def _on_screen(log: Path, rate: int, *, seconds: float) -> Row:
    """The Logs pane, at the end of the log."""
    ours, theirs = (_screen_percent(log, rate, argv, seconds) for argv in ((*OURS, str(log)), (LESS, "+F", str(log))))
    what = f"{rate:,} json lines a second, the Logs pane: CPU"
    return Row(what, f"{ours:.1f} %", f"{theirs:.1f} %  less +F")


def _screen_percent(log: Path, rate: int, argv: Sequence[str], seconds: float) -> float:
    writer = _Writer(log, "json", rate)
    with closing(writer), OnTerminal(argv, home=log.parent) as program:
        _write_for(writer, program, 2 * SETTLE_S)
        before, began = tree_cpu_s(program.pid), time.monotonic()
        _write_for(writer, program, seconds)
        percent = 100 * (tree_cpu_s(program.pid) - before) / (time.monotonic() - began)
        last = b"line-%09d" % (writer.written - rate // 2)
        program.until(lambda text: text.count("line-") > 10 and max(_NUMBER.findall(text.encode())) > last[5:], START_S)
    return percent


def _write_for(writer: _Writer, program: OnTerminal, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        writer.write_due()
        program.collect(_STEP_S)


def _far(log: Path, lab: SshdLab, config: Path, rate: int, goal: float, *, seconds: float) -> Iterator[Row]:
    """Ours and the peer on a server each, so that it is known what each costs there."""
    (own, other), tail = lab.servers, "ssh tail -F"
    ssh = (
        "ssh", "-F", "none", "-i", str(lab.client_key), "-p", str(other.port),
        "-o", f"UserKnownHostsFile={lab.known_hosts}", f"{lab.host(other).user}@{other.address}",
    )  # fmt: skip
    commands = {
        "lilfox": shlex.join((*LILFOX, "--config", str(config), "logs", "-f", "--host", "ssh-1", str(log))),
        tail: shlex.join((*ssh, "tail", "-F", str(log))),
    }
    servers = {"lilfox": own.tree()[0], tail: other.tree()[0]}
    found = _followed(log, "json", rate, commands, servers=servers, seconds=seconds)
    ours, theirs = found["lilfox"], found[tail]
    what = f"{rate:,} json lines a second of an SSH host: CPU"
    yield replace(within(what, ours.percent, goal, "%"), peer=f"{theirs.percent:.1f} %  {tail}")
    yield Row("  CPU on the host", f"{ours.server_percent:.1f} %", f"{theirs.server_percent:.1f} %  {tail}")
    yield Row("  95 of 100 lines printed within", f"{ours.late_ms:.0f} ms", f"{theirs.late_ms:.0f} ms  {tail}")


@dataclass(frozen=True, slots=True)
class _Cost:
    """What following cost; percent of one core."""

    percent: float
    server_percent: float
    late_ms: float


def _followed(
    log: Path,
    kind: str,
    rate: int,
    commands: Mapping[str, str],
    *,
    seconds: float,
    servers: Mapping[str, int] | None = None,
) -> dict[str, _Cost]:
    """Writes the log for so long while all commands (of a shell) follow it. Raises CannotMeasure."""
    servers = servers or {}
    writer = _Writer(log, kind, rate)
    with ExitStack() as running:
        running.callback(writer.close)
        followers = {
            name: running.enter_context(_Follower(name, command, log.parent)) for name, command in commands.items()
        }
        end = time.monotonic() + START_S
        while not all(each.printed for each in followers.values()):
            if time.monotonic() > end:
                missing = [name for name, each in followers.items() if not each.printed]
                raise CannotMeasure(f"nothing printed by {missing}")
            _step(writer, followers.values())
        _steps(writer, followers.values(), SETTLE_S)
        first, began = writer.written, time.monotonic()
        before = {name: (each.cpu_s(), _cpu_s(servers.get(name))) for name, each in followers.items()}
        _steps(writer, followers.values(), seconds)
        after = {name: (each.cpu_s(), _cpu_s(servers.get(name))) for name, each in followers.items()}
        took_s, last = time.monotonic() - began, writer.written
        writer.close()
        _steps(None, followers.values(), _END_S)
    return {
        name: _Cost(
            100 * (after[name][0] - before[name][0]) / took_s,
            100 * (after[name][1] - before[name][1]) / took_s,
            each.late_ms(writer.times, range(first, last)),
        )
        for name, each in followers.items()
    }


def _cpu_s(pid: int | None) -> float:
    return 0.0 if pid is None else tree_cpu_s(pid)


def _steps(writer: _Writer | None, followers: Collection[_Follower], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        _step(writer, followers)


def _step(writer: _Writer | None, followers: Collection[_Follower]) -> None:
    """Writes what is due, and reads what comes until more is due."""
    if writer is not None:
        writer.write_due()
    for ready in select.select(followers, [], [], _STEP_S)[0]:
        ready.read()


class _Writer:
    """Writes numbered lines at a steady rate. ``times`` says when each was written."""

    def __init__(self, log: Path, kind: str, rate: int) -> None:
        made = log.with_name(f"{log.name}-made")
        logs_made.make(made, _DIFFERENT, kind)
        self.times: list[float] = []
        self._lines = made.read_bytes().splitlines(keepends=True)
        self._mark = _MARKS[kind]
        self._rate = rate
        self._file = log.open("wb", buffering=0)
        self._began = time.monotonic()

    @property
    def written(self) -> int:
        """How many lines."""
        return len(self.times)

    def write_due(self) -> None:
        """Writes the lines whose time has come."""
        now = time.monotonic()
        first, due = self.written, int((now - self._began) * self._rate)
        for number in range(first, due):  # each by itself, as programs log
            self._file.write(self._numbered(number))
        self.times += [now] * (due - first)

    def _numbered(self, number: int) -> bytes:
        before, after = self._mark
        return self._lines[number % _DIFFERENT].replace(before, before + b"line-%09d" % number + after, 1)

    def close(self) -> None:
        """Writes no more."""
        self._file.close()


class _Follower:
    """A command that prints the lines of a log. Use as a context manager: its processes are ended."""

    def __init__(self, name: str, command: str, home: Path) -> None:
        self.printed: dict[int, float] = {}
        """When each line was printed, by its number."""
        self._name = name
        self._rest = b""
        self._process = subprocess.Popen(
            ["sh", "-c", command],
            env=environment(home) | {"PYTHONPATH": str(TREE)},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> _Follower:
        return self

    def __exit__(self, *_error: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.communicate(timeout=_END_S)

    def fileno(self) -> int:
        """Where it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def cpu_s(self) -> float:
        """Its CPU seconds, with those of its children."""
        return tree_cpu_s(self._process.pid)

    def read(self) -> None:
        """Takes what was printed. Raises CannotMeasure if it has ended, or printed a line twice."""
        block = os.read(self.fileno(), 1 << 20)
        if not block:
            raise CannotMeasure(f"{self._name}: has ended")
        now, (whole, _, self._rest) = time.monotonic(), (self._rest + block).rpartition(b"\n")
        for number in dict.fromkeys(map(int, _NUMBER.findall(whole))):
            if number in self.printed:
                raise CannotMeasure(f"{self._name}: line {number} printed twice")
            self.printed[number] = now

    def late_ms(self, written: Sequence[float], lines: range) -> float:
        """Milliseconds from writing to printing, of which 95 of 100 lines took fewer. Raises CannotMeasure."""
        missing = [number for number in lines if number not in self.printed]
        if missing:
            raise CannotMeasure(f"{self._name}: {len(missing)} lines missing, the first is {missing[0]}")
        late = sorted(self.printed[number] - written[number] for number in lines)
        return 1000 * late[95 * len(late) // 100]
