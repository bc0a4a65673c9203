"""Undocumented behaviour of asyncssh that hosts rely on, all in one place; because of it, pyproject.toml caps the
version of asyncssh.

``tests/unit/hosts/test_asyncssh_internals.py`` has a test for each part, which says what breaks at an upgrade. What is
worked around with documented calls alone stands where it is used: forwarded ports (``host.py``), the time limit of a
connection and the keys with a passphrase (``connect.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import asyncssh

WINDOW = 2 * 1024 * 1024
"""Bytes of a channel's window, which are also the bytes to read at once.

A stream stops its channel when it holds a window that nobody has read, and lets it go on as soon as a byte of that is
taken; the channel then grants the server a whole window anew, whatever still waits in its own buffer. So a reader that
takes less than a window lets the buffer grow without bound, and one that takes a window empties it.
"""


def overhear(connection: asyncssh.SSHClientConnection, hear: Callable[[bytes], bool]) -> None:
    """Passes the data that ``connection`` receives to ``hear``, before asyncssh reads it, until ``hear`` returns True.

    asyncssh drops the lines that a server sends before its version, so that an error cannot say what answered instead
    of SSH. The event loop calls ``data_received`` of the connection, which this replaces.
    """
    receive = connection.data_received

    def heard(data: bytes, datatype: asyncssh.DataType = None) -> None:
        if hear(data):
            connection.data_received = receive  # type: ignore[method-assign]
        receive(data, datatype)

    connection.data_received = heard  # type: ignore[method-assign]


def close_with(connection: asyncssh.SSHClientConnection, tunnel: asyncssh.SSHClientConnection) -> None:
    """Closes ``tunnel`` when ``connection`` through it is closed.

    asyncssh does so for the jump hosts that it opens itself, but not for one that it is given; ours are opened one by
    one, so that an error names the one that failed.
    """
    connection.set_tunnel(tunnel)


ConfigWord = Literal[
    "UserKnownHostsFile", "IdentityFile", "HostKeyAlgorithms", "Ciphers", "ServerAliveInterval", "ServerAliveCountMax"
]
"""Keywords of ssh_config(5) that are asked for."""
_WORDS: tuple[ConfigWord, ...] = get_args(ConfigWord)


class EffectiveConfig:
    """The settings that ssh_config files have for a host.

    asyncssh reads them for a connection and documents no way to ask what they said; the options that it makes of them
    have it all. The files decide which known_hosts and keys are looked at, so they are asked before anything is sent.
    """

    def __init__(self, options: asyncssh.SSHClientConnectionOptions) -> None:
        self._said: dict[str, Any] = {word: options.config.get(word) for word in _WORDS}
        self.host: str = options.host
        self.port: int = options.port
        self.user: str = options.username
        self.key_name: str = options.host_key_alias or options.host
        """What known_hosts knows the host by."""
        self.jumps: str = options.tunnel if isinstance(options.tunnel, str) else ""
        self.connect_timeout_s: float | None = options.connect_timeout
        self.known_hosts: tuple[str, ...] = tuple(self._said["UserKnownHostsFile"] or ())
        self.identities: tuple[str, ...] = tuple(self._said["IdentityFile"] or ())

    def says(self, word: ConfigWord) -> bool:
        """Whether the files set the keyword ``word``."""
        return self._said[word] is not None


async def effective_config(address: str, **options: Any) -> EffectiveConfig:
    """Reads the ssh_config files in ``options`` for ``address``, in a thread. Raises OSError, ValueError if they cannot
    be used."""
    return EffectiveConfig(
        await asyncssh.SSHClientConnectionOptions.construct(None, host=address, client_keys=None, **options)
    )


def signature_algorithms(key: asyncssh.SSHKey) -> list[str]:
    """The signature algorithms of a host with ``key``, the best first.

    They are asked for first: a host with two keys would otherwise show the one that is not known.
    """
    return [name.decode() for name in key.sig_algorithms]


def is_of_revoked_key(error: asyncssh.HostKeyNotVerifiable) -> bool:
    """Whether a host's key was rejected because of a ``@revoked`` line. asyncssh makes no callback for that: only the
    text of its error shows it."""
    return "revoked" in str(error)


def lacks_passphrase(error: ValueError) -> bool:
    """Whether a private key could not be read because its passphrase is missing; only the text of the error
    distinguishes this from a broken file."""
    return str(error).startswith("Passphrase")
