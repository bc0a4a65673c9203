"""The ``ssh`` program of this machine: the files that it reads, and the command lines that open a shell on a host or
run a program there.

The files decide what runs (``ProxyCommand``), as whom, and which host is the right one, so they are read only where
nobody else can have written them.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.core import files as trusted_file
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import LatePattern

_INCLUDE = LatePattern(r"\s*include(?:\s*=\s*|\s+)(.*)", re.IGNORECASE)
_MOST_BYTES = 1 << 20
_MOST_FILES = 1000


def refuse_config(files: Iterable[str | Path]) -> None:
    """Check the permissions of ssh_config files and of the files they include, resolved as asyncssh does. Raises
    NotTrusted, OSError."""
    seen: set[Path] = set()
    todo = [Path(each).expanduser() for each in files]
    while todo and len(seen) < _MOST_FILES:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        with trusted_file.opened(path) as (descriptor, _found):
            text = trusted_file.content(descriptor, _MOST_BYTES).decode("utf-8", "replace")
        for line in text.splitlines():
            if (found := _INCLUDE.match(line)) is not None:
                todo += _included(found[1])


def refuse_all(files: Iterable[str | Path]) -> None:
    """Check the permissions of known_hosts or key files. Raises NotTrusted."""
    for each in files:
        trusted_file.refuse(Path(each).expanduser())


def _included(words: str) -> Iterator[Path]:
    """Yield the files that ``Include`` names; relative patterns are below ~/.ssh (ssh_config(5))."""
    try:
        patterns = shlex.split(words)
    except ValueError:
        return  # asyncssh refuses the whole file
    for pattern in patterns:
        path = Path("~/.ssh", pattern).expanduser() if not pattern.startswith("~") else Path(pattern).expanduser()
        try:
            yield from (each for each in Path(path.anchor).glob(str(path.relative_to(path.anchor))) if each.is_file())
        except (OSError, ValueError, NotImplementedError):
            continue


def shell_argv(name: str, config: HostConfig, ssh: SshConfig) -> list[str]:
    """Return the argv of an interactive shell: this machine's own, or OpenSSH's client with the configured options of
    the host. Raises NotTrusted if others may write the files it would read. Blocks."""
    if config.local:
        return [os.environ.get("SHELL") or "/bin/sh"]
    argv = ["ssh"]
    files = [str(Path(each).expanduser()) for each in ssh.config_files]
    refuse_config(each for each in files if Path(each).is_file())
    if ssh.config_files != SshConfig().config_files:
        argv += ["-F", files[0] if files else "none"]
    if ssh.known_hosts != SshConfig().known_hosts:
        known = (str(Path(each).expanduser()).replace("%", "%%") for each in ssh.known_hosts)
        argv += ["-o", "UserKnownHostsFile=" + " ".join(f'"{each}"' for each in known)]
    if config.port is not None:
        argv += ["-p", str(config.port)]
    if config.user is not None:
        argv += ["-l", config.user]
    if config.identity is not None:
        argv += ["-i", str(Path(config.identity).expanduser())]
    return [*argv, "--", config.address or name]


_NO_CONNECTION = 255
"""The exit status of ssh(1) where it failed; also of a shell that ended with it."""
_AT_ONCE_S = 1.0


def shell_failure(
    name: str, argv: Sequence[str], status: int, errors: bytes | bytearray, lasted_s: float
) -> Message | None:
    """Return why there was no shell on a host, or none any more, in ssh's own words; None where somebody left it. The
    exit status of a shell that was used is that of its last command."""
    lines = [line for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    said = lines[-1].strip() if lines else ""
    was_left = said.startswith("Connection to ") and said.endswith(" closed.")
    if argv[0] == "ssh" and status == _NO_CONNECTION and not was_left:
        return tr("no shell on {name}: {reason}", name=name, reason=said or tr("ssh ended with status 255"))
    if status > 0 and lasted_s < _AT_ONCE_S:
        return tr("the shell on {name} ended at once, with status {status}", name=name, status=status)
    return None


def terminal_argv(
    name: str, config: HostConfig, ssh: SshConfig, argv: Sequence[str], env: Mapping[str, str], *, sudo: bool = False
) -> list[str]:
    """Return the argv that runs ``argv`` on the host in this terminal. Neither ``argv`` nor ``env`` may contain a
    secret: everybody on the host can read them while it runs."""
    words = ["env", *(f"{name}={value}" for name, value in env.items()), *argv]
    if sudo:
        words = ["sudo", "--", *words]
    if config.local:
        return words
    *client, end, where = shell_argv(name, config, ssh)
    return [*client, "-t", end, where, shlex.join(words)]
