"""Private container engines in folders of their own, Docker and Podman; they end with all of their containers."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import pytest

from tests.lifetime import ending_with_us
from tests.waiting import wait_for

IMAGE = "localhost/bb:1"
_LINKS = ("sh", "sleep", "date", "cat", "echo", "tail", "true", "false", "kill", "seq", "dd", "usleep")


def image_archive() -> bytes:
    """A root file system with a static busybox, as a tar archive."""
    busybox = shutil.which("busybox")
    assert busybox is not None
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(busybox, "bin/busybox")
        for name in _LINKS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return packed.getvalue()


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class ContainerEngine:
    """One engine, ``docker`` or ``podman``, with the image :data:`IMAGE`. Use as a context manager. ``user`` is the id
    of a user without rights who runs it; ``folder`` is then also the user's runtime folder. ``words`` are for dockerd,
    behind the others."""

    def __init__(self, kind: str, *, user: int | None = None, words: tuple[str, ...] = ()) -> None:
        self.kind, self._user = kind, user
        self.words = words
        self._podman = shutil.which("podman") or "podman"
        self.folder = Path(tempfile.mkdtemp(prefix=f"lilfox-{kind}-"))
        self.folder.chmod(0o755)
        place = self.folder / "podman"
        place.mkdir()
        self.socket = str(place / "podman.sock")
        if user is not None:
            os.chown(self.folder, user, user)
            os.chown(place, user, user)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ContainerEngine:
        try:
            self.start()
            self._take_image()
            self._prove()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.end()

    def podman(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Runs podman on the engine's folders."""
        argv = (*self.podman_words, *words)
        return subprocess.run(
            argv, input=stdin, env=self.env, cwd=self.folder, capture_output=True, timeout=60, check=True
        )

    @property
    def env(self) -> dict[str, str]:
        """The environment of podman."""
        folder = str(self.folder)
        own = (
            {}
            if self._user is None
            else dict.fromkeys(
                ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "TMPDIR"), folder
            )
        )
        return {**os.environ, "STORAGE_DRIVER": "vfs", "PODMAN_IGNORE_CGROUPSV1_WARNING": "1", **own}

    @property
    def podman_words(self) -> tuple[str, ...]:
        """The program with the options that lead it to the engine's folders."""
        folder, user = self.folder, str(self._user)
        by = () if self._user is None else ("setpriv", "--reuid", user, "--regid", user, "--clear-groups")
        own = () if self._user is None else ("--storage-opt", "vfs.ignore_chown_errors=true")
        return (
            *by,
            *(self._podman, "--root", f"{folder}/s", "--runroot", f"{folder}/r", "--tmpdir", f"{folder}/t"),
            *("--runtime", "runc", "--cgroup-manager", "cgroupfs"),
            *own,
        )

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        folder = self.folder
        if self.kind == "podman":
            argv = ending_with_us(*self.podman_words, "system", "service", "--time", "0", f"unix://{self.socket}")
        else:
            argv = ending_with_us(
                *("dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"),
                *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"),
                *("-H", f"unix://{self.socket}", *self.words),
                by="TERM",
            )
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.env,
                cwd=self.folder,
                start_new_session=True,
            )
        wait_for(self._answers, what=f"{self.kind} answers")

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.skip(f"{self.kind} cannot run here: {(self.folder / 'log').read_text()[-300:]}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            return bool(self.ask("GET", "/_ping", plain=True) == b"OK")
        return False

    def stop(self) -> None:
        """Ends the engine; containers of Podman live on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM if self.kind == "docker" else signal.SIGKILL)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def end(self) -> None:
        """Removes all containers, ends the engine and removes its folder."""
        if self.kind == "podman":  # all at once, which takes its API a second each
            with contextlib.suppress(subprocess.SubprocessError):
                self.podman("rm", "--all", "--force", "--time", "0")
        with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):
            for each in self.ask("GET", "/containers/json?all=1"):
                self.ask("DELETE", f"/containers/{each['Id']}?force=1&v=1")
        self.stop()
        if self.kind == "podman":
            with contextlib.suppress(subprocess.SubprocessError):
                self.podman("rm", "--all", "--force", "--time", "0")
        for process in Path("/proc").glob("[0-9]*"):  # such as what holds the namespace of a user without rights
            with contextlib.suppress(OSError):
                ours = f"{self.folder}/".encode() in (process / "cmdline").read_bytes()
                held = f"XDG_RUNTIME_DIR={self.folder}\0".encode() in (process / "environ").read_bytes()
                if ours or held:
                    os.kill(int(process.name), signal.SIGKILL)
        for line in Path("/proc/self/mounts").read_text().splitlines():
            if (place := line.split(" ")[1]).startswith(f"{self.folder}/"):
                subprocess.run(["umount", "-l", place], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _take_image(self) -> None:
        if self.kind == "podman":
            self.podman("import", "-", IMAGE, stdin=image_archive())
        else:
            repository, tag = IMAGE.rsplit(":", 1)
            query = f"fromSrc=-&repo={quote(repository, safe='')}&tag={tag}"
            self.ask("POST", f"/images/create?{query}", image_archive(), plain=True)

    def _prove(self) -> None:
        """Skips the test where no container can run."""
        try:
            self.ask("DELETE", f"/containers/{self.run('proof', 'true')}?force=1")
        except AssertionError as error:
            pytest.skip(f"{self.kind} runs no container here: {error}")

    def ask(self, method: str, path: str, body: object = None, *, plain: bool = False) -> Any:
        """The answer of the engine's API."""
        connection = _SocketConnection(self.socket)
        with contextlib.closing(connection):
            raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
            connection.request(method, path, raw, {"Content-Type": kind})
            answer = connection.getresponse()
            said = answer.read()
        assert answer.status < 400, f"{method} {path}: {answer.status} {said[:300]!r}"
        return said if plain or not said else json.loads(said)

    def run(self, name: str, *argv: str, host: dict[str, Any] | None = None, **config: Any) -> str:
        """Creates and starts a container without a network; returns its id."""
        settings = {"NetworkMode": "none", **(host or {})}
        body = {"Image": IMAGE, "Cmd": list(argv), "HostConfig": settings, **config}
        made: str = self.ask("POST", f"/containers/create?name={name}", body)["Id"]
        self.ask("POST", f"/containers/{made}/start")
        return made

    def script(self, name: str, script: str, **settings: Any) -> str:
        """Creates and starts a container that runs a script of sh."""
        return self.run(name, "sh", "-c", script, **settings)

    def remove(self, *names: str) -> None:
        """Ends and removes containers at once; Podman's API would give each its grace period."""
        if self.kind == "podman":
            self.podman("rm", "--force", "--time", "0", *names)
        else:
            for name in names:
                self.ask("DELETE", f"/containers/{name}?force=1")

    def check_health(self, name: str) -> None:
        """Has Podman run the health check at once: systemd would do it; Docker does by itself."""
        if self.kind == "podman":
            with contextlib.suppress(subprocess.CalledProcessError):
                self.podman("healthcheck", "run", name)


def installed(engine: ContainerEngine, folder: Path, name: str) -> Path:
    """A program of that name which leads to the engine, and the folder that it is in."""
    words = shlex.join(engine.podman_words)
    if engine.kind == "docker":
        words = f"{shutil.which('docker')} --host unix://{engine.socket}"
    own = " ".join(f"{key}={shlex.quote(value)}" for key, value in engine.env.items() if os.environ.get(key) != value)
    program = folder / name
    program.write_text(f'#!/bin/sh\n{own} exec {words} "$@"\n')
    program.chmod(0o755)
    return folder
