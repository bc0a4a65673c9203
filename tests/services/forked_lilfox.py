"""``lilfox`` as a process of its own that does not import anew: forked from one that has imported the command line and
run nothing. That it starts from nothing is for ``started`` and ``running`` of ``lilfox_command``.

``Starter`` is the test's side, one for each process that tests; this module as a program is the other. For each call
the starter sends a line of JSON with four descriptors: the three standard streams, and a pipe that says how it ended.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_MOST_BYTES = 1 << 20
_PID = 32
"""Bytes of the pid, which the pipe says first; JSON of the status and the CPU seconds follow."""
_BLOCK = 4096
"""So much goes into a pipe that can be written to, and waits for nobody (pipe(7): PIPE_BUF)."""
_READ_AT_START = ("PYTHON", "LC_", "LANG", "MALLOC_", "LD_")
"""Variables that begin so are read when Python starts: with others than the starter's, ``lilfox`` starts anew."""
_UNUSED = "lilfox_tui.app"
"""The screens: no command of a pipe opens them, and they need as long to import as all others."""

_spent_s = 0.0


def run(
    argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float, stdin: str | None = None
) -> subprocess.CompletedProcess[str] | None:
    """Runs ``lilfox argv`` in this process's folder; None if it has to be started anew. Raises TimeoutExpired as
    ``subprocess.run`` does. No ``stdin``: nothing is on it."""
    starter = _starter(os.getpid())
    return starter.run(argv, env, timeout_s, stdin) if starter.environment == _read_at_start(env) else None


def spent_s() -> float:
    """CPU seconds of all calls that have ended: none of them is a child of this process."""
    return _spent_s


@functools.cache
def _starter(_pid: int) -> Starter:
    return Starter()


def _read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(_READ_AT_START)}


def _umask() -> int:
    """Of this process: os.umask() would set another one for the time of the question."""
    found = re.search(r"^Umask:\s*(\d+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1], 8)


class Starter:
    """The process that has imported; it ends with this one."""

    def __init__(self) -> None:
        self.environment = _read_at_start(os.environ)
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST_BYTES)
        argv = [sys.executable, "-m", __name__, str(theirs.fileno())]  # without us, it reads the end of the line
        with theirs:
            self._process = subprocess.Popen(argv, cwd=_ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        atexit.register(self.close)

    def close(self) -> None:
        """Ends it."""
        self._line.close()
        self._process.wait()

    def run(
        self, argv: Sequence[str], env: Mapping[str, str], timeout_s: float, stdin: str | None
    ) -> subprocess.CompletedProcess[str]:
        """See ``run`` of the module."""
        order = {"argv": list(argv), "env": dict(env), "cwd": str(Path.cwd()), "umask": _umask()}
        with ExitStack() as pipes:
            call = _Call(pipes, None if stdin is None else stdin.encode())
            try:
                socket.send_fds(self._line, [json.dumps(order).encode()], call.theirs)
            finally:
                for each in call.theirs:
                    os.close(each)
            return call.finish(["lilfox", *argv], timeout_s)


class _Call:
    """Our ends of the pipes to one ``lilfox``; ``theirs`` are its own, which are ours until it has them."""

    def __init__(self, pipes: ExitStack, stdin: bytes | None) -> None:
        self._stdin = stdin or b""
        self.theirs: list[int] = []
        self._said: dict[int, bytearray] = {}
        self._given = -1
        if stdin is None:
            self.theirs.append(os.open(os.devnull, os.O_RDONLY))
        else:
            read, self._given = os.pipe()
            self.theirs.append(read)
            pipes.callback(self._end_stdin)
        for _each in ("stdout", "stderr", "how it ended"):
            read, write = os.pipe()
            pipes.callback(os.close, read)
            self.theirs.append(write)
            self._said[read] = bytearray()

    def finish(self, command: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Gives and reads until all streams have ended; kills it if it is left before."""
        global _spent_s
        out, error, ended = self._said
        pid = int(os.read(ended, _PID))
        try:
            if not self._pass_on(time.monotonic() + timeout_s):
                raise subprocess.TimeoutExpired(command, timeout_s)
        except BaseException:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            while os.read(ended, _PID):
                pass
            raise
        status, cpu_s = json.loads(self._said[ended])
        _spent_s += cpu_s
        texts = [self._said[each].decode().replace("\r\n", "\n").replace("\r", "\n") for each in (out, error)]
        return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(status), *texts)

    def _pass_on(self, until_s: float) -> bool:
        """False: the time is over."""
        with selectors.DefaultSelector() as ready:
            for each in self._said:
                ready.register(each, selectors.EVENT_READ)
            if self._stdin:
                ready.register(self._given, selectors.EVENT_WRITE)
            else:
                self._end_stdin()
            while ready.get_map():
                if not (events := ready.select(max(0, until_s - time.monotonic()))) and time.monotonic() >= until_s:
                    return False
                for key, _mask in events:
                    if not (self._give() if key.fd == self._given else self._take(key.fd)):
                        ready.unregister(key.fd)
                        if key.fd == self._given:
                            self._end_stdin()
        return True

    def _give(self) -> bool:
        try:
            self._stdin = self._stdin[os.write(self._given, self._stdin[:_BLOCK]) :]
        except BrokenPipeError:  # it reads no further, as it may
            return False
        return bool(self._stdin)

    def _take(self, stream: int) -> bool:
        block = os.read(stream, _MOST_BYTES)
        self._said[stream] += block
        return bool(block)

    def _end_stdin(self) -> None:
        if self._given >= 0:
            os.close(self._given)
            self._given = -1


def _serve(line: socket.socket) -> None:
    """Forks for each order; returns when nobody is there to give any."""
    _import_all("lilfox_tui")
    importlib.import_module("lilfox_tui.__main__")
    assert threading.active_count() == 1, "a fork would have the one thread alone, and the locks of all"
    gc.freeze()
    while True:
        data, streams, _flags, _address = socket.recv_fds(line, _MOST_BYTES, 4)
        if not data:
            return
        if os.fork() == 0:
            line.close()
            _attend(json.loads(data), streams)
        for each in streams:
            os.close(each)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _import_all(package: str) -> None:
    for found in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        if found.name != _UNUSED:
            (_import_all if found.ispkg else importlib.import_module)(found.name)


def _attend(order: dict[str, Any], streams: list[int]) -> None:
    """Starts one, and tells its pid and how it ended. It is a process between both: others may be asked for
    meanwhile."""
    pid = os.fork()
    if pid == 0:
        _become_lilfox(order, streams)
    *its, ended = streams
    for each in its:
        os.close(each)
    os.write(ended, f"{pid:{_PID}}".encode())
    _pid, status, usage = os.wait4(pid, 0)
    with suppress(BrokenPipeError):  # nobody listens any longer
        os.write(ended, json.dumps([status, usage.ru_utime + usage.ru_stime]).encode())
    os._exit(0)


def _become_lilfox(order: dict[str, Any], streams: list[int]) -> None:
    """Runs it as Python would, and ends as Python does."""
    for number, each in enumerate(streams[:3]):
        os.dup2(each, number)
    for each in streams:
        os.close(each)
    os.chdir(order["cwd"])
    os.umask(order["umask"])
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    tempfile.tempdir = None
    sys.argv = ["lilfox", *order["argv"]]
    sys.stdin = open(0, encoding=sys.stdin.encoding, errors=sys.stdin.errors, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding=sys.stderr.encoding, errors=sys.stderr.errors, closefd=False)  # noqa: SIM115
    status = 1
    try:
        status = importlib.import_module("lilfox_tui.__main__").main()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as its_line:
        _serve(its_line)
