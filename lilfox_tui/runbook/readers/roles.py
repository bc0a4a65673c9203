"""What may stand where a program expects it: most is data, and some is looked at."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from functools import cache

from lilfox_tui.runbook.readers.spec import Context, Verdict
from lilfox_tui.runbook.shell_values import Argument


def fits(role: str, value: Argument, context: Context) -> Verdict:
    """Whether a value may stand in a role: ``read``, or what it makes of the call."""
    if (look := ROLES.get(role)) is not None:
        return look(value, context)
    if role.startswith(("{", "/")):
        text = value.text
        return "read" if text is not None and _pattern(role).fullmatch(text) else "unknown"
    return _data(value, context)


@cache
def _pattern(role: str) -> re.Pattern[str]:
    if role.startswith("{"):
        return re.compile("|".join(map(re.escape, role[1:-1].split("|"))))
    return re.compile(role[1:-1], re.ASCII)


_WINDS = re.compile(r"(?:watchdog|n?st)[0-9]*[alm]?")
"""Devices that do something when they are opened, under whatever folder: a tape winds, a watchdog begins to count."""
_DEVICE = re.compile(r"(?:ptp|input|event|mem|kmem|port|cpu)[0-9]*[alm]?")
_BY_NUMBER = re.compile(r"(?:^|/)dev/(?:char|block|tape)(?:/|$)")
_SETTINGS = re.compile(r"/(?:sys|proc/sys)/")
_TO_ALL = re.compile(r"/(?:root|cwd|fd)/")
"""From a folder of a process to any other."""
_AMONG_DEVICES = re.compile(r"(?:^|/)dev(?:/|$)")
_DEVICES = re.compile(r"(?:^|/)dev/")
_PATTERN = re.compile(r"^/dev/[^*?\[\s]*+[*?\[]")
_MAY_BE_DEVICES = ("/", "/d", "/de", "/dev")
_OPEN = (
    "/dev/fd/",
    "/dev/tcp/",
    "/dev/udp/",
    "/dev/disk/",
    "/dev/mapper/",
    "/dev/sd",
    "/dev/nvme",
    "/dev/vd",
    "/dev/md",
)


def acts_when_read(path: Argument) -> bool:
    """Whether a path may be a device of which reading is no mere reading."""
    if path.text is None:
        head = _normal(path.head)
        if head in _MAY_BE_DEVICES:
            return path.deep or not path.many  # ``/*`` alone is no more than the folders there
        return bool(_DEVICES.search(head)) and not head.startswith(_OPEN)
    text = _normal(path.text)
    if _PATTERN.search(text):
        return not text.startswith(_OPEN)  # it is one yet, where something is redirected
    name = text.rpartition("/")[2]
    if _BY_NUMBER.search(text) or name == "trace_pipe" or (name == "kmsg" and "/proc/" in text):
        return True  # what is read there is gone, or is whatever device has the number
    if _SETTINGS.match(text) and not _TO_ALL.search(text):
        return False
    return bool(_WINDS.fullmatch(name) or ("/dev/" in text and _DEVICE.fullmatch(name)))


def holds_devices(folder: Argument) -> bool:
    """Whether a folder is, or may be, one of devices: what is looked for there needs no ``/dev/`` before it."""
    path = _normal(folder.text if folder.text is not None else folder.head)
    if folder.text is None and path in _MAY_BE_DEVICES[1:]:
        return True
    return _AMONG_DEVICES.search(path) is not None and not path.startswith("/dev/shm")  # noqa: S108 - no file is made there


def _normal(path: str) -> str:
    """As a path is looked for: without ``..``, ``.`` and ``//``."""
    if not path:
        return ""
    ends = "/" if path.endswith("/") and path.strip("/") else ""
    return re.sub("^/+", "/", posixpath.normpath(path)) + ends


def _data(value: Argument, _context: Context) -> Verdict:
    return "unknown" if acts_when_read(value) else "read"


def _null(value: Argument, _context: Context) -> Verdict:
    """Where something is written."""
    return "read" if value.text in ("-", "/dev/null") else "change"


def _local_file(value: Argument, context: Context) -> Verdict:
    """No address: ``scheme:…`` may load what reads it."""
    return "unknown" if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", value.head) else _data(value, context)


_OF_THE_HOST = re.compile(r"/(?:etc|root|var/lib/kubelet|var/lib/rancher|run/patroni)/[A-Za-z0-9_./-]+")


def _host_config(value: Argument, _context: Context) -> Verdict:
    """A file that says which programs are run: one of the machine's own, where only root writes."""
    text = value.text
    good = text is not None and _OF_THE_HOST.fullmatch(text) and ".." not in text
    return "read" if good else "unknown"


_FETCHED = re.compile(r"https?://[^\s{}\[\]\\\x00-\x1f]*", re.IGNORECASE)
_WITHOUT_SCHEME = re.compile(
    r"(?!(?:ftp|dict|ldap|imap|smtp|pop3)\.)[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?(?:[/?][^\s{}\[\]\\\x00-\x1f]*)?",
    re.IGNORECASE,
)


def _url(value: Argument, _context: Context) -> Verdict:
    """An address that is fetched by HTTP: its scheme is there in full, or none is guessed from its name."""
    if value.text is not None:
        good = _FETCHED.fullmatch(value.text) or _WITHOUT_SCHEME.fullmatch(value.text)
        return "read" if good else "unknown"
    return "read" if not value.loose and _FETCHED.fullmatch(value.head) else "unknown"


def _command_text(value: Argument, context: Context) -> Verdict:
    return "unknown" if value.text is None else context.text(value.text)


def _one(value: Argument, _context: Context) -> Verdict:
    """Data of which every character is known."""
    return "read" if value.text is not None else "unknown"


def _word(value: Argument, _context: Context) -> Verdict:
    """A plain name; one that is not known yet is looked at once it is."""
    if value.pieces == (None,) and value.undashed and value.is_one:
        return "read"
    return "read" if value.text is not None and re.fullmatch(r"[A-Za-z0-9_.:@/+-]+", value.text) else "unknown"


ROLES: dict[str, Callable[[Argument, Context], Verdict]] = {
    "null": _null,
    "host-config": _host_config,
    "url": _url,
    "local-file": _local_file,
    "shell-text": _command_text,
    "literal": _one,
    "word": _word,
}
