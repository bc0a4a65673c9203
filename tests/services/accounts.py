"""Users of this system and their rights, made for one test and gone after it. Needs root."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
