"""The hierarchy of expected errors. Every error says what is wrong and what to do, and has an exit code.

Exit codes (the whole command line): 0 good, 1 a problem or a failure, 2 wrong usage or config, 3 partly done."""

from __future__ import annotations

from lilfox_tui.core.i18n import Message


class LilFoxError(Exception):
    """An expected failure. ``message`` says what and where, ``hint`` what to do; both are translated when they are
    shown."""

    exit_code = 1

    def __init__(self, message: Message | str, hint: Message | str = "") -> None:
        super().__init__(message)
        self.message = message if isinstance(message, Message) else Message(message)
        self.hint = hint

    def __str__(self) -> str:
        return str(self.message)


class NotEvaluated(LilFoxError):
    """No process evaluates the rules of this configuration now."""


class UsageError(LilFoxError):
    """The command line names something that does not exist, or contradicts itself."""

    exit_code = 2


class ConfigError(LilFoxError):
    """The configuration cannot be used.

    ``problems`` holds every finding, each as ``file:line: key: what is wrong, what would be right``.
    """

    exit_code = 2

    def __init__(self, message: Message | str, problems: tuple[str, ...] = (), hint: Message | str = "") -> None:
        super().__init__(message, hint)
        self.problems = problems


class NotAllowed(LilFoxError):
    """A change was refused: ``--read-only``, ``read_only: true`` or a protected host."""


class HostError(LilFoxError):
    """An error of one host; ``host`` is its name in the config."""

    def __init__(self, host: str, message: Message | str, hint: Message | str = "") -> None:
        super().__init__(message, hint)
        self.host = host


class HostUnreachable(HostError):
    """No connection: refused, no answer, unknown name, not an SSH server, no common algorithm, or lost.

    ``link_lost``: the link worked and went away. What was under way may be retried where it may be done twice."""

    def __init__(self, host: str, message: Message | str, hint: Message | str = "", *, link_lost: bool = False) -> None:
        super().__init__(host, message, hint)
        self.link_lost = link_lost


class HostKeyUnknown(HostError):
    """The host presents a key that is in no known_hosts file. ``fingerprint`` is ``SHA256:…`` of that key."""

    def __init__(
        self, host: str, message: Message | str, hint: Message | str, *, fingerprint: str, key_type: str
    ) -> None:
        super().__init__(host, message, hint)
        self.fingerprint = fingerprint
        self.key_type = key_type


class HostKeyChanged(HostError):
    """The host presents a different key than known_hosts has, or one that is ``revoked`` there. Never accepted by a key
    press."""

    def __init__(
        self,
        host: str,
        message: Message | str,
        hint: Message | str,
        *,
        fingerprint: str,
        known: str,
        revoked: bool = False,
    ) -> None:
        super().__init__(host, message, hint)
        self.fingerprint = fingerprint
        self.known = known
        self.revoked = revoked


class AuthRefused(HostError):
    """The host refused every key and password offered. Never retried automatically (servers ban clients that do)."""


class CommandTimeout(HostError):
    """A command exceeded its timeout and was terminated on the host."""


class CommandUnknown(HostError):
    """The result of a command is unknown: the connection was lost while it ran. ``pid`` is its process group on the
    host, or None."""

    def __init__(self, host: str, message: Message | str, hint: Message | str = "", *, pid: int | None = None) -> None:
        super().__init__(host, message, hint)
        self.pid = pid


class CommandFailed(HostError):
    """A streamed command exited with a status other than 0, or a signal ended it. ``outcome`` is its exit status or the
    name of the signal; ``stderr`` the start and the end of its error output, untrusted text."""

    def __init__(
        self, host: str, message: Message | str, hint: Message | str = "", *, outcome: str | int | None, stderr: str
    ) -> None:
        super().__init__(host, message, hint)
        self.outcome = outcome
        self.stderr = stderr


class FileRefused(HostError):
    """A file on a host could not be read or written: missing, no permission, no space, too large."""

    def __init__(self, host: str, message: Message | str, hint: Message | str = "", *, no_right: bool = False) -> None:
        super().__init__(host, message, hint)
        self.no_right = no_right


class FileMoved(HostError):
    """The name now belongs to another file, for example after a rotation."""


class PlaceGone(HostError):
    """A position in a log refers to a file that no longer belongs to the log."""


class NotBegun(HostError):
    """A detached command was not started; it has certainly not run."""


class StillRuns(HostError):
    """A detached command is still running, so its folder cannot be removed."""
