"""A private Redis on loopback that keeps nothing; nothing of it stays."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from tests.lifetime import ending_with_us
from tests.ports import free_port
from tests.waiting import wait_for

PASSWORD = "a-secret-of-the-tests"


class RedisServer:
    """One server with :data:`PASSWORD`. Use as a context manager; it may be stopped and started inside. With ``file``
    its options are in a configuration file."""

    def __init__(self, *options: str, file: bool = False) -> None:
        self._options, self._in_file = options, file
        self._folder = tempfile.mkdtemp(prefix="lilfox-redis-")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def __enter__(self) -> RedisServer:
        try:
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def file(self) -> Path:
        """Its configuration file."""
        return Path(self._folder, "redis.conf")

    def start(self) -> None:
        """Starts it and waits until it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        options += ["--dir", self._folder, "--requirepass", PASSWORD, *self._options]
        if self._in_file:
            if not self.file.exists():
                pairs = zip(options[::2], options[1::2], strict=True)
                self.file.write_text("".join(f'{name.removeprefix("--")} "{value}"\n' for name, value in pairs))
            options = [str(self.file)]
        argv = ending_with_us("redis-server", *options)
        self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for(self._listens, what="redis-server listens")

    def stop(self) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stops it in its tracks: connections stay open and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def cli(self, *words: str) -> str:
        """What redis-cli prints for a command."""
        done = subprocess.run(
            ["redis-cli", "-p", str(self.port), "--no-auth-warning", *words],
            env={**os.environ, "REDISCLI_AUTH": PASSWORD},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=True,
        )
        return done.stdout.decode().strip()

    def info(self, name: str) -> str:
        """One field of INFO, by redis-cli."""
        fields = dict(line.partition(":")[::2] for line in self.cli("info", "all").splitlines())
        return fields[name].strip()

    @property
    def url(self) -> str:
        """Its address as libraries want it."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "redis-server ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def _end(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
