"""Converts what asyncssh, the system and a server's greeting report into errors that say what is wrong and what to
do."""

from __future__ import annotations

import asyncio
import os
import socket

import asyncssh

from lilfox_tui.core.errors import AuthRefused, CommandUnknown, HostError, HostUnreachable
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.process import last_words
from lilfox_tui.hosts.ssh.asyncssh_internals import lacks_passphrase
from lilfox_tui.redact import redacted_start

# What a server sends before SSH begins: its version line and, allowed but rare, lines before it (RFC 4253, 4.2).


MAX_LINE = 8192
"""Bytes of a line; asyncssh gives up at a longer one."""
SHOWN = 80


class Greeting:
    """Counts the lines that a server sends before its version. ``versioned``: the version was received."""

    def __init__(self) -> None:
        self.versioned = False
        self._lines = 0
        self._first = b""
        self._open = b""

    def hear(self, data: bytes) -> bool:
        """Processes the next bytes, up to the version; returns whether the version was received."""
        *lines, self._open = (self._open + data).split(b"\n")
        self._open = self._open[:MAX_LINE]
        for line in lines:
            if line.startswith(b"SSH-"):
                self.versioned = True
                self._open = b""
                return True
            self._lines += 1
            self._first = self._first or line.strip()
        return False

    @property
    def count(self) -> int:
        """The number of lines that are not a version, including an unfinished one."""
        return self._lines + (bool(self._open) and not self._open.startswith(b"SSH-"))

    @property
    def first(self) -> str:
        """The first non-empty line, safe to include in an error."""
        first = self._first or self._open
        return clean(redacted_start(first, SHOWN))[:SHOWN].strip()


LINK_ERRORS = (asyncssh.Error, OSError, asyncio.IncompleteReadError, EOFError)
"""What a call on a connection raises when the connection is going away."""


def dial_error(
    host: str,
    where: str,
    error: BaseException,
    timeout_s: float,
    greeting: Greeting | None = None,
    *,
    identity: str = "",
) -> HostError:
    """Return the error for a failed connection to ``where`` (``[address]:port``); ``greeting`` is what the server sent
    before SSH began, ``identity`` the key file that the host's configuration names."""
    if isinstance(error, HostError):
        return error
    if isinstance(error, asyncssh.KeyEncryptionError | asyncssh.KeyImportError):
        locked = isinstance(error, asyncssh.KeyEncryptionError) or lacks_passphrase(error)
        return AuthRefused(
            host,
            tr("A private key for {where} cannot be opened: {reason}", where=where, reason=clean(str(error))),
            tr("Load it into the agent with ssh-add, or set passphrase: for this host.")
            if locked
            else tr(
                "The key file is damaged or of an unsupported type: check it with ssh-keygen -y, or set "
                "identity: for this host to another key."
            ),
        )
    if isinstance(error, OSError) and isinstance(error.filename, str):
        message, hint = _of_file(error, identity)
    else:
        message, hint = _not_ssh(where, error, greeting) or _unreachable(where, error, timeout_s)
    return HostUnreachable(host, message, hint)


def _of_file(error: OSError, identity: str) -> tuple[Message, Message]:
    """Return the error text for a file, or a program, that the host's configuration or ssh_config names."""
    if error.filename == identity:
        return (
            tr("{file} cannot be read: {reason}", file=error.filename, reason=error.strerror),
            tr("Correct the identity setting of this host, or make the file readable."),
        )
    return (
        tr("{file} cannot be used: {reason}", file=error.filename, reason=error.strerror),
        tr("Check IdentityFile, CertificateFile and ProxyCommand in ssh_config."),
    )


def _not_ssh(where: str, error: BaseException, greeting: Greeting | None) -> tuple[Message, Message] | None:
    """Return the error text for a server whose own greeting shows the cause; None if it does not."""
    if greeting is None or not greeting.count:
        return None
    values = {"where": where, "count": greeting.count, "line": greeting.first}
    if not greeting.versioned:
        message = tr(
            "{where} did not send an SSH version string; lines received: {count}, first line: {line}", **values
        )
    elif isinstance(error, asyncssh.ProtocolError | ValueError):
        message = tr(
            "{where} sent other data before its SSH version string (lines: {count}, first line: {line}), then "
            "data that is not SSH: {reason}",
            reason=clean(str(error)), **values,
        )  # fmt: skip
    else:
        return None
    return message, tr("Another service or an intermediate device may be answering on that port: check the port.")


def _unreachable(where: str, error: BaseException, timeout_s: float) -> tuple[Message, Message]:
    if isinstance(error, TimeoutError):
        return (
            tr("{where} did not answer within {seconds:g} s", where=where, seconds=timeout_s),
            tr("Check that the host is up and that no firewall drops the connection."),
        )
    if isinstance(error, ConnectionRefusedError):
        return (
            tr("{where} refuses the connection", where=where),
            tr("The host is up, but no SSH server listens on that port: check port and sshd."),
        )
    if isinstance(error, socket.gaierror):
        return (
            tr("The name of {where} cannot be resolved", where=where),
            tr("Check the address in the configuration, ssh_config and DNS."),
        )
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return (
            tr("{where} has no algorithm in common with this client: {reason}", where=where, reason=clean(str(error))),
            tr("The SSH server is very old, very new or restricted: check Ciphers and KexAlgorithms."),
        )
    if isinstance(error, asyncssh.ConfigParseError):
        return (
            tr("The ssh_config cannot be used: {reason}", reason=clean(str(error))),
            tr("Correct that line; ssh -G shows how OpenSSH reads it."),
        )
    if isinstance(error, ConnectionResetError | asyncssh.ConnectionLost):
        return (
            tr("{where} closed the connection before the login", where=where),
            tr("It may not be an SSH server, may be overloaded (MaxStartups), or may have banned this address."),
        )
    reason = reason_of(error)
    return tr("{where} cannot be reached: {reason}", where=where, reason=reason), tr("Run ssh manually for details.")


def known_hosts_error(host: str, error: Exception) -> HostUnreachable:
    """Return the error for known_hosts files that cannot be used."""
    return HostUnreachable(
        host,
        tr("The known_hosts files cannot be used: {reason}", reason=reason_of(error)),
        tr("Correct or remove that line or file."),
    )


def reason_of(error: BaseException) -> str:
    """Return the reason of an error in its own words; for an error of the system in the system's, with the file."""
    if not isinstance(error, OSError) or not error.errno:
        return clean(str(error)) or type(error).__name__
    reason = os.strerror(error.errno)
    return f"{clean(error.filename)}: {reason}" if isinstance(error.filename, str) else reason


_SAYS_NOTHING = "connection lost"
"""The reason that asyncssh gives where it knows none."""


def link_lost(host: str, error: BaseException | None) -> HostUnreachable:
    """Return the error for a working connection that was lost; its message has the value ``reason`` if one is known."""
    reason = clean(str(error)) if error is not None and str(error) else str(tr("closed by the host"))
    told = tr("The connection to {host} was lost: {reason}", host=host, reason=reason)
    if reason.lower() == _SAYS_NOTHING:
        told = tr("The connection to {host} was lost", host=host)
    return HostUnreachable(
        host,
        told,
        tr("LilFox reconnects automatically."),
        link_lost=True,
    )


def fate_unknown(host: str, command: str, pid: int | None) -> CommandUnknown:
    """Return the error for a connection that was lost while a command ran; without its ``pid``, nobody ends it."""
    if pid is None:
        hint = tr(
            "Check its effects on the host, and whether it is still running: LilFox does not know its pid and cannot "
            "terminate it."
        )
    else:
        hint = tr(
            "Check its effects on the host. If it is still running (pid {pid}), LilFox terminates it when it "
            "reconnects.",
            pid=pid,
        )
    return CommandUnknown(
        host,
        tr("The connection to {host} was lost while {command} was running: it may or may not have completed", host=host,
           command=command),
        hint,
        pid=pid,
    )  # fmt: skip


def no_shell(host: str, said: bytes) -> HostUnreachable:
    """Return the error for a login that works but runs no commands: nologin, a forced command, a broken shell."""
    return HostUnreachable(
        host,
        tr("{host} accepts the login, but does not run commands: {words}", host=host,
           words=last_words(said) or str(tr("it said nothing"))),
        tr("Check the account's login shell and ForceCommand in sshd_config."),
    )  # fmt: skip


def no_session(host: str) -> HostUnreachable:
    """Return the error for a server that opens no session for a command."""
    return HostUnreachable(
        host,
        tr("{host} refused to open a session for a command", host=host),
        tr("Check MaxSessions in its sshd_config, and whether the host can still start processes."),
    )
