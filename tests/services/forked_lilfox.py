"""``lilfox`` as a process of its own that does not import anew: forked from one that has imported the command line and
run nothing. For tests that call it many times; that it starts from nothing is for those of ``lilfox_command``.

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
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

_ROOT = Path(__file__).parents[2]
_MOST_BYTES = 1 << 20
_READ_AT_START = ("PYTHON", "LC_", "LANG", "MALLOC_", "LD_")
"""Variables that begin so are read when Python starts: with others than the starter's, ``lilfox`` starts anew."""


def run(argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> subprocess.CompletedProcess[str] | None:
    """Runs ``lilfox argv`` in this process's folder with nothing on stdin; None if it has to be started anew. Raises
    TimeoutExpired as ``subprocess.run`` does."""
    starter = _starter(os.getpid())
    return starter.run(argv, env, timeout_s) if starter.environment == _read_at_start(env) else None


@functools.cache
def _starter(_pid: int) -> Starter:
    return Starter()


def _read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(_READ_AT_START)}


def _text_file() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8")


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

    def run(self, argv: Sequence[str], env: Mapping[str, str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        """See ``run`` of the module."""
        ended, end = os.pipe()
        with _text_file() as out, _text_file() as error, Path(os.devnull).open() as nothing:
            order = {"argv": list(argv), "env": dict(env), "cwd": str(Path.cwd())}
            streams = [nothing.fileno(), out.fileno(), error.fileno(), end]
            try:
                socket.send_fds(self._line, [json.dumps(order).encode()], streams)
            finally:
                os.close(end)
            try:
                pid = int(os.read(ended, 32))
                if not select.select([ended], [], [], timeout_s)[0]:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(list(argv), timeout_s)
                status = int(os.read(ended, 32))
            finally:
                os.close(ended)
            texts = []
            for stream in (out, error):
                stream.seek(0)
                texts.append(stream.read())
        return subprocess.CompletedProcess(["lilfox", *argv], os.waitstatus_to_exitcode(status), *texts)


def _serve(line: socket.socket) -> None:
    """Forks for each order; returns when nobody is there to give any."""
    for module in pkgutil.walk_packages(importlib.import_module("lilfox_tui.cli").__path__, "lilfox_tui.cli."):
        importlib.import_module(module.name)
    importlib.import_module("lilfox_tui.__main__")
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


def _attend(order: dict[str, Any], streams: list[int]) -> None:
    """Starts one, and tells its pid and how it ended. It is a process between both: others may be asked for
    meanwhile."""
    pid = os.fork()
    if pid == 0:
        _become_lilfox(order, streams)
    os.write(streams[3], f"{pid:32}".encode())
    status = os.waitpid(pid, 0)[1]
    with suppress(BrokenPipeError):  # it took too long, and nobody listens
        os.write(streams[3], f"{status:32}".encode())
    os._exit(0)


def _become_lilfox(order: dict[str, Any], streams: list[int]) -> None:
    """Runs it as Python would, and ends as Python does."""
    for number, each in enumerate(streams[:3]):
        os.dup2(each, number)
    for each in streams:
        os.close(each)
    os.chdir(order["cwd"])
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
