"""The command that opens a person's shell on a host, or runs a command there in the person's terminal."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.hosts.ssh_files_trusted import refuse_config


def shell_argv(name: str, config: HostConfig, ssh: SshConfig) -> list[str]:
    """argv of an interactive shell: this machine's own, or OpenSSH's client with what the config says of the host.
    Raises NotTrusted where others may write what that would read. Blocks."""
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


def terminal_argv(
    name: str, config: HostConfig, ssh: SshConfig, argv: Sequence[str], env: Mapping[str, str], *, sudo: bool = False
) -> list[str]:
    """argv that runs ``argv`` in this terminal, on the host. Neither it nor ``env`` may hold a secret: everybody on the
    host can read it there meanwhile."""
    words = ["env", *(f"{name}={value}" for name, value in env.items()), *argv]
    if sudo:
        words = ["sudo", "--", *words]
    if config.local:
        return words
    *client, end, where = shell_argv(name, config, ssh)
    return [*client, "-t", end, where, shlex.join(words)]
