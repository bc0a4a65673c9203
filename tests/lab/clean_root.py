"""The root folder of a lab host: an overlay over this machine's own system, without what is this machine's alone.

Nothing is downloaded and nothing is copied: the lower layer is ``/``, and what must not be seen is covered in the upper
layer (Documentation/filesystems/overlayfs.rst: an opaque folder hides the one below, a 0/0 device hides a name).
"""

from __future__ import annotations

import os
import stat
import uuid
from pathlib import Path

SYSTEM = frozenset({"bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys", "usr", "var"})
"""What stays of ``/``; any other folder there is this machine's own, the one with this project among them."""
EMPTY = (
    "boot", "home", "media", "mnt", "opt", "srv",
    "etc/apt", "etc/init.d", "etc/profile.d", "etc/rc2.d", "etc/rc3.d", "etc/rc5.d", "etc/rcS.d",
    "var/backups", "var/cache", "var/lib/apt", "var/log", "var/mail", "var/spool", "var/lib/systemd",
)  # fmt: skip
SSHD_CONFIG = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
PrintMotd no
Subsystem sftp internal-sftp
"""
ADDRESS_UNIT = """\
[Unit]
Description=Address of this host
DefaultDependencies=no
Before=ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip address replace {address}/24 dev host0
ExecStart=ip link set host0 up
"""


CONTAINER_STORAGE = """\
[storage]
driver = "vfs"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
"""
"""Podman's own choice does not work on an overlay."""


def fill(upper: Path, hostname: str, address: str, client_key: str) -> None:
    """Writes the upper layer of a host that starts sshd, journald and its network, and nothing else."""
    for entry in os.scandir("/"):
        if entry.name not in {*SYSTEM, *EMPTY, "root", "tmp"}:
            os.mknod(upper / entry.name, stat.S_IFCHR, os.makedev(0, 0))
    for name in EMPTY:
        _opaque(upper / name)
    for name in ("tmp", "var/tmp"):
        _opaque(upper / name, 0o1777)
    _opaque(upper / "root", 0o700)
    _opaque(upper / "root/.ssh", 0o700)
    _write(upper / "root/.ssh/authorized_keys", client_key)
    _write(upper / "etc/hostname", hostname + "\n")
    _write(upper / "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {hostname}\n")
    _write(upper / "etc/machine-id", uuid.uuid4().hex + "\n")
    for name in ("etc/environment", "etc/fstab", "etc/resolv.conf"):
        _write(upper / name, "")
    _opaque(upper / "var/lib/containers")
    _write(upper / "etc/containers/storage.conf", CONTAINER_STORAGE)
    for name in ("etc/.updated", "var/.updated"):
        _write(upper / name, "")  # newer than /usr: no caches are built anew at the boot (ConditionNeedsUpdate=)
    _ssh(upper / "etc/ssh")
    _units(upper / "etc/systemd/system", address)


def _ssh(folder: Path) -> None:
    _opaque(folder)
    _write(folder / "sshd_config", SSHD_CONFIG)


def _units(folder: Path, address: str) -> None:
    _opaque(folder)
    _write(folder / "lilfox-address.service", ADDRESS_UNIT.format(address=address))
    _link(folder / "default.target", "/usr/lib/systemd/system/multi-user.target")
    _link(folder / "multi-user.target.wants/ssh.service", "/usr/lib/systemd/system/ssh.service")
    _link(folder / "multi-user.target.wants/lilfox-address.service", "/etc/systemd/system/lilfox-address.service")
    for unit in ("getty.target", "systemd-logind.service"):
        _link(folder / unit, "/dev/null")


def _opaque(folder: Path, mode: int = 0o755) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(mode)
    os.setxattr(folder, "trusted.overlay.opaque", b"y")


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _link(file: Path, target: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.symlink_to(target)
