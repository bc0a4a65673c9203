"""Users of this system and their rights, made for one test and gone after it. Needs root."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote


@contextmanager
def account(shell: str, start_up: str = "", file: str = ".bashrc") -> Iterator[str]:
    """A user of this system, gone afterwards."""
    name = f"lilfox-{secrets.token_hex(4)}"
    subprocess.run(["useradd", "-m", "-s", shell, "-p", "*", name], check=True, capture_output=True)
    try:
        (Path(f"~{name}").expanduser() / file).write_text(start_up)
        yield name
    finally:
        subprocess.run(["userdel", "-r", "-f", name], check=True, capture_output=True)


def set_password(name: str, password: str) -> None:
    subprocess.run(["chpasswd"], input=f"{name}:{password}".encode(), check=True)


@contextmanager
def sudoers(line: str) -> Iterator[None]:
    file = Path("/etc/sudoers.d") / f"lilfox-{secrets.token_hex(4)}"
    file.touch(mode=0o440)
    file.write_text(line + "\n")
    try:
        yield
    finally:
        file.unlink()


def as_account(name: str, *folders: Path) -> list[str]:
    """The beginning of a command that runs as the account, which may look into ``folders`` although one above them,
    such as root's home, is closed: for that command alone another one stands there."""
    closed = [(above, folder) for folder in folders for above in folder.parents if not above.stat().st_mode & 0o001]
    script = "mount -t tmpfs tmpfs /mnt\n" if closed else ""
    for number, (_above, folder) in enumerate(closed):
        script += f"mkdir /mnt/{number}; mount --bind {quote(str(folder))} /mnt/{number}\n"
    for above in dict.fromkeys(above for above, _folder in closed):
        script += f"mount -t tmpfs -o mode=755 tmpfs {quote(str(above))}\n"
    for number, (_above, folder) in enumerate(closed):
        script += f"mkdir -p {quote(str(folder))}; mount --bind /mnt/{number} {quote(str(folder))}\n"
    script += f'exec setpriv --reuid={name} --regid={name} --clear-groups -- "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh"]
