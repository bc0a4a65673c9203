"""Private OpenSSH servers on 127.x.y.z, each with its own host key and port; nothing of them stays."""

from __future__ import annotations

import contextlib
import getpass
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.config.values import Seconds
from tests.lifetime import ending_with_us
from tests.ports import free_port
from tests.waiting import wait_for

APPLETS = (
    "sh",
    "stat",
    "dd",
    "date",
    "grep",
    "awk",
    "tail",
    "head",
    "tr",
    "wc",
    "gzip",
    "printf",
    "ls",
    "cat",
    "id",
    "sleep",
    "kill",
)
_addresses = itertools.count(2)
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
"""Those of each worker of a run have addresses of their own: who is connected to one is asked of the whole machine."""


def _keygen(file: Path, kind: str = "ed25519") -> None:
    file.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(file)], check=True)


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


class Sshd:
    """One server. ``options`` are lines of sshd_config that come before its own."""

    def __init__(self, folder: Path, client_key: Path, options: tuple[str, ...] = ()) -> None:
        number = next(_addresses)
        self.address = f"127.{_WORKER}.{number // 250}.{number % 250 + 2}"
        self.port = free_port(self.address)
        self.folder = folder
        self.options = options
        self.client_key = client_key
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        _keygen(folder / "host_ed25519")

    @property
    def log(self) -> str:
        """What the server has said (LogLevel VERBOSE)."""
        return (self.folder / "log").read_text()

    def known_line(self) -> str:
        """Its line of known_hosts."""
        kind, key, *_ = next(self.folder.glob("host_*.pub")).read_text().split()
        return f"[{self.address}]:{self.port} {kind} {key}\n"

    def start(self) -> None:
        """Starts it and waits until it listens."""
        key = next(path for path in self.folder.glob("host_*") if path.suffix != ".pub")
        lines = (
            *self.options,
            f"ListenAddress {self.address}:{self.port}",
            f"HostKey {key}",
            f"AuthorizedKeysFile {self.client_key}.pub",
            f"PidFile {self.folder}/pid",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
            "PrintMotd no",
            "LogLevel VERBOSE",
            "Subsystem sftp internal-sftp",
            # what this user's own .bashrc costs or prints is no part of these tests
            f"Match User {getpass.getuser()}",
            f"SetEnv HOME={self.folder}",
        )
        config = self.folder / "sshd_config"
        config.write_text("\n".join(lines) + "\n")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ending_with_us("/usr/sbin/sshd", "-D", "-e", "-f", str(config)), stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        wait_for(self._listens, what=f"sshd listens: {self.log}")

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        with contextlib.suppress(OSError), socket.create_connection((self.address, self.port), 1):
            return True
        return False

    def tree(self) -> list[int]:
        """The server and its sessions' processes (not the commands they run), by pid."""
        if self._process is None:
            return []
        found, fresh = [self._process.pid], [self._process.pid]
        while fresh:
            parent = fresh.pop()
            with contextlib.suppress(OSError):
                for child in map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split()):
                    if Path(f"/proc/{child}/comm").read_text().startswith("sshd"):
                        found.append(child)
                        fresh.append(child)
        return found

    def _signal(self, number: int) -> None:
        for pid in self.tree():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def freeze(self) -> None:
        """Stops it in its tracks, sessions too: connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        self._signal(signal.SIGCONT)

    def reload(self) -> None:
        """As ``systemctl reload ssh``."""
        before = self.log.count("Server listening")
        self._signal(signal.SIGHUP)
        wait_for(lambda: self.log.count("Server listening") > before, what="sshd has reloaded")

    def kill(self) -> None:
        """SIGKILL to the server and its sessions; what they ran lives on, as with a cut link."""
        pids = self.tree()
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None
            wait_for(lambda: not any(map(_runs, pids)), what="the sessions have ended, and their sockets are closed")

    def stop(self) -> None:
        """Ends it."""
        self.thaw()
        self.kill()

    def rekey(self, kind: str = "ed25519") -> None:
        """Gives it another host key, as a host set up anew has."""
        self.kill()
        for old in self.folder.glob("host_*"):
            old.unlink()
        _keygen(self.folder / f"host_{kind}", kind)
        self.start()


class SshdLab:
    """Makes servers and the client's side of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client_key = folder / "id_client"
        self.known_hosts = folder / "known_hosts"
        self.servers: list[Sshd] = []
        _keygen(self.client_key)
        folder.chmod(0o755)
        self.known_hosts.write_text("")

    def sshd(self, *options: str, known: bool = True) -> Sshd:
        """A running server."""
        server = Sshd(self.folder / f"sshd{len(self.servers)}", self.client_key, options)
        self.servers.append(server)
        server.start()
        if known:
            self.trust(server)
        return server

    def trust(self, server: Sshd) -> None:
        """Adds its present key to known_hosts."""
        with self.known_hosts.open("a") as file:
            file.write(server.known_line())

    def ssh(self, **changes: object) -> SshConfig:
        """The client's side: only this lab's files, short times."""
        settings: dict[str, object] = {
            "config_files": (),
            "known_hosts": (str(self.known_hosts),),
            "connect_timeout": Seconds(15),
            "keepalive": Seconds(1),
            "retry_max": Seconds(1),
        }
        return SshConfig(**(settings | changes))  # type: ignore[arg-type]

    def host(self, server: Sshd, **changes: object) -> HostConfig:
        """The configuration of a host for ``server``."""
        settings: dict[str, object] = {
            "address": server.address,
            "port": server.port,
            "user": getpass.getuser(),
            "identity": str(self.client_key),
        }
        return HostConfig(**(settings | changes))  # type: ignore[arg-type]


def busybox_only(lab: SshdLab) -> str:
    """An option of sshd_config: what is run there finds BusyBox and nothing else, as on a small router."""
    applets = lab.folder / "applets"
    if not applets.exists():
        applets.mkdir()
        busybox = shutil.which("busybox")
        assert busybox is not None
        for name in APPLETS:
            (applets / name).symlink_to(busybox)
    return f'ForceCommand PATH={applets} exec {applets}/sh -c "$SSH_ORIGINAL_COMMAND"'


@contextlib.contextmanager
def sshd_lab() -> Iterator[SshdLab]:
    """A lab whose servers and files are gone afterwards."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="lilfox-sshd-"))
    lab: SshdLab | None = None
    try:
        lab = SshdLab(folder)
        yield lab
    finally:
        for server in lab.servers if lab is not None else ():
            server.stop()
        shutil.rmtree(folder)
