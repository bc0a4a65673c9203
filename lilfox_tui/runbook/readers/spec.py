"""Describes a program that reads: its options and operands, the roles of its words, the variables it may get."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from functools import cache
from typing import Literal

from msgspec import Struct

from lilfox_tui.runbook.bash.values import Argument

# How a program that reads is described: its options, operands and sub-commands, each in full.
#
# Options are written as in a program's own help, with blanks between: ``-a``, ``--all``, ``-n=count``,
# ``--since=time``; ``--color[=when]`` may have a value, which then stands in the same word. What stands behind ``=``
# is a role: a word for data, which may be anything, or one that ``fits`` looks at: ``{a|b}`` is one of these words,
# ``/…/`` what the regular expression finds, ``null`` nothing but ``/dev/null`` and ``-``, and so on. Operands are
# roles, in order, the last of which may end in ``*``.


Verdict = Literal["read", "follow", "interactive", "change", "unknown"]
"""What is known of a command; ``unknown`` may do anything, and counts as a change."""
ORDER: tuple[Verdict, ...] = ("change", "unknown", "interactive", "follow", "read")
"""The worst first."""


def worst(found: Sequence[Verdict] | set[Verdict]) -> Verdict:
    return next((each for each in ORDER if each in found), "read")


CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Fed(IntEnum):
    """The input of a command."""

    NOTHING = 0
    """A terminal, or what LilFox gives: ``/dev/null``."""
    EMPTY = 1
    """No more than an empty line, and that for certain."""
    DATA = 2


class Context(Struct, frozen=True):
    """Callbacks for judging: a command within a command, or a text that a shell reads."""

    fed: Fed
    words: Callable[[Sequence[Argument], Fed], Verdict]
    """What these words are as a command with that input."""
    text: Callable[[str], Verdict]
    """What this shell text is."""


class ProgramCall(Struct):
    """A parsed program call."""

    options: list[tuple[str, Argument | None]]
    """As they are written in its table, with their values."""
    operands: list[Argument]

    def has(self, *names: str) -> bool:
        return any(name in names for name, _value in self.options)

    def values(self, *names: str) -> list[Argument]:
        return [value for name, value in self.options if name in names and value is not None]

    @property
    def sends_printed(self) -> bool:
        """Whether one of its words contains a command's output: sent to another host, that may leak a file."""
        return any(each.printed for each in (*self.operands, *(value for _name, value in self.options if value)))

    @property
    def has_control(self) -> bool:
        """Whether one of its words contains a control character: in another protocol it ends a line."""
        words = (*self.operands, *(value for _name, value in self.options if value))
        return any(CONTROL.search(piece) for each in words for piece in each.pieces if piece)

    @property
    def texts(self) -> list[str | None]:
        return [each.text for each in self.operands]


class ProgramOption(Struct, frozen=True):
    """One option in a table."""

    name: str
    role: str = ""
    """Of its value; "" where it has none."""
    attached: bool = False
    """Whether its value stands in the same word, or is none."""
    verdict: Verdict = "read"


class Spec(Struct, frozen=True, kw_only=True):
    """The table of a program: the part of its usage that only reads."""

    reads: str = ""
    """Options with which it reads."""
    follows: str = ""
    """Options with which it prints until it is stopped."""
    interactive: str = ""
    """Options with which it wants a terminal."""
    operands: str = ""
    """Roles, in order."""
    subs: Mapping[str, Spec] = {}
    """By the first operand, which is no option of this level."""
    inherits: bool = False
    """Whether the options of this level may also stand behind a sub-command."""
    needs: str = ""
    """Of these options one is given; else it is ``otherwise``."""
    otherwise: Verdict = "change"
    alone: Verdict = "read"
    """What it is without any of its sub-commands."""
    verdict: Verdict = "read"
    """What it is with nothing but what reads."""
    single: bool = False
    """Long options have one dash, so that ``-abc`` is no ``-a -b -c``; as Go's flags do, ``-name=value`` is one."""
    apart: bool = False
    """Whether values of short options stand in a word of their own: no letter before or behind such an option."""
    permutes: bool = True
    """Whether options may also stand behind operands."""
    ends: bool = True
    """Whether ``--`` ends its options."""
    counted: bool = False
    """Whether ``-20`` is an option."""
    harmless: bool = False
    """Whether no words at all, whatever they are, make it change something."""
    runs: int = -1
    """The operand at which the command begins that it runs."""
    check: Callable[[ProgramCall, Context], Verdict] | None = None
    """Looks at what has been taken apart, and says what it is."""
    own: Callable[[Sequence[Argument], Context], Verdict] | None = None
    """Judges all words by itself, instead of all above: a language of its own."""


_WRITTEN = re.compile(r"(--?[A-Za-z0-9@?][A-Za-z0-9_.:@?+-]*|-[#+$%])(?:(\[?)=([^\s]+))?")


@cache
def options(spec_text: str, verdict: Verdict = "read") -> dict[str, ProgramOption]:
    """Return the options of a table, by name."""
    found: dict[str, ProgramOption] = {}
    for written in spec_text.split():
        each = _WRITTEN.fullmatch(written)
        if each is None:
            raise ValueError(f"{written!r} is no option")
        role = each[3] or ""
        found[each[1]] = ProgramOption(each[1], role[:-1] if each[2] else role, bool(each[2]), verdict)
    return found


def all_options(spec: Spec) -> dict[str, ProgramOption]:
    """Return all options of a program or a sub-command, by name."""
    return {
        **options(spec.reads),
        **options(spec.follows, "follow"),
        **options(spec.interactive, "interactive"),
    }


# What may stand where a program expects it: most is data, and some is looked at.


def fits(role: str, value: Argument, context: Context) -> Verdict:
    """Return the verdict on a value in a role: ``read``, or the verdict that it causes for the call."""
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
    """Whether a path may be a device where reading has side effects."""
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
    """Return whether a folder contains, or may contain, devices, whose file names then have no ``/dev/`` before
    them."""
    path = _normal(folder.text if folder.text is not None else folder.head)
    if folder.text is None and path in _MAY_BE_DEVICES[1:]:
        return True
    return _AMONG_DEVICES.search(path) is not None and not path.startswith("/dev/shm")  # noqa: S108 - no file is made there


def _normal(path: str) -> str:
    """Normalize a path: without ``..``, ``.`` and ``//``."""
    if not path:
        return ""
    ends = "/" if path.endswith("/") and path.strip("/") else ""
    return re.sub("^/+", "/", posixpath.normpath(path)) + ends


def _data(value: Argument, _context: Context) -> Verdict:
    return "unknown" if acts_when_read(value) else "read"


def _null(value: Argument, _context: Context) -> Verdict:
    """Judge where output is written."""
    return "read" if value.text in ("-", "/dev/null") else "change"


def _local_file(value: Argument, context: Context) -> Verdict:
    """Judge a local file, not an address: ``scheme:…`` may load code into its reader."""
    return "unknown" if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", value.head) else _data(value, context)


_OF_THE_HOST = re.compile(r"/(?:etc|root|var/lib/kubelet|var/lib/rancher|run/patroni)/[A-Za-z0-9_./-]+")


def _host_config(value: Argument, _context: Context) -> Verdict:
    """Judge a file that names programs to run: it must be one of the machine's own files, where only root writes."""
    text = value.text
    good = text is not None and _OF_THE_HOST.fullmatch(text) and ".." not in text
    return "read" if good else "unknown"


_FETCHED = re.compile(r"https?://[^\s{}\[\]\\\x00-\x1f]*", re.IGNORECASE)
_WITHOUT_SCHEME = re.compile(
    r"(?!(?:ftp|dict|ldap|imap|smtp|pop3)\.)[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?(?:[/?][^\s{}\[\]\\\x00-\x1f]*)?",
    re.IGNORECASE,
)


def _url(value: Argument, _context: Context) -> Verdict:
    """Judge a URL that is fetched by HTTP: its scheme must be given, unless its host name cannot suggest another
    one."""
    if value.text is not None:
        good = _FETCHED.fullmatch(value.text) or _WITHOUT_SCHEME.fullmatch(value.text)
        return "read" if good else "unknown"
    return "read" if not value.loose and _FETCHED.fullmatch(value.head) else "unknown"


def _command_text(value: Argument, context: Context) -> Verdict:
    return "unknown" if value.text is None else context.text(value.text)


def _one(value: Argument, _context: Context) -> Verdict:
    """Judge data of which every character must be known."""
    return "read" if value.text is not None else "unknown"


def _word(value: Argument, _context: Context) -> Verdict:
    """Judge a plain name; an unknown one is checked once its value is known."""
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


# Names: of variables that a command may set without deciding what other programs do, and of programs.


_HANDED = re.compile(
    r"LANG|LC_[A-Z]+|TZ|NO_COLOR|COLUMNS|PG(?:HOST|PORT|USER|DATABASE|PASSWORD|PASSFILE|SSLMODE)|ETCDCTL_API"
    r"|REDISCLI_AUTH|MYSQL_PWD|VAULT_TOKEN|AWS_PROFILE|AWS_(?:DEFAULT_)?REGION"
    r"|AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)"
)
"""Names that may be handed to a program: others say which pager, editor, plug-in or library it runs."""
_OWN = re.compile(r"(?!.*_proxy)(?!histchars$|auto_resume$|npm_)[a-z][A-Za-z0-9_]*")
"""Names of a fence's own variables, which programs do not look at, as they do at ``_JAVA_OPTIONS``."""
_MIXED = re.compile(r"[A-Z][a-z][A-Za-z0-9]*")
"""``VaultName``: settings of programs are written in capitals, or in small letters."""
_NOUNS = frozenset(
    "ACCOUNT ADDRESS ADDRESSES AFTER ALERT AMI APP APPS ARCHITECTURE ARN ASG AZ BACKUP BASE BEFORE BRANCH BUCKET "
    "CATALOG CERT CHART CIDR CLIENT CLUSTER CLUSTERS CODE COLLECTION COLUMN COMMIT CONSUMER CONTAINER CONTAINERS "
    "CONTEXT COUNT CRD CTX CURRENT DAEMON DATABASE DATE DAY DAYS DB DEPLOYMENT DEVICE DIGEST DIR DISK DOMAIN "
    "DURATION "
    "ELEMENT EMAIL END ENDPOINT ENDPOINTS ENVIRONMENT EPOCH ERROR ERRORS EXPORTER FIELD FILE FILES FILTER FIRST "
    "FOLDER "
    "FQDN FSID GROUP HASH HEALTH HOST HOSTS HOUR HOURS I ID IDS IMAGE INDEX INGRESS INSTALLATION INSTANCE "
    "INSTANCES INTERFACE INTERVAL INVENTORY IP IPS ISSUE ITEM JOB KEY KEYVAULT LABEL LAST LATEST LEADER LEVEL "
    "LIMIT LIST "
    "LOCATION LOG LOGS MAC MACHINE MASTER MAX MDS MEMBER MEMBERS MESSAGE MGR MIN MINUTES MON MONTH MOUNT N NAME "
    "NAMES "
    "NAMESPACE NAMESPACES NETWORK NEW NODE NODEGROUP NODEPOOL NODES NOW NS NUMBER OBJECT OFFSET OLD OPERATOR ORG "
    "ORGANIZATION ORIGINAL OSD OUT OUTPUT OWNER PARTITION PASSWORD PATTERN PEER PGID PID PIDS POD PODS POINT "
    "POLICY POOL "
    "POOLS PORT PREVIOUS PRIMARY PROCESS PROJECT PV PVC QUANTITY QUERY QUEUE REASON RECORD REGION REGISTRY RELEASE "
    "REPLICA REPLICAS REPO REPOSITORY RESOURCE RESPONSE RESULT RESULTS REVISION RG ROLE ROUTE ROW ROWS SA SC SCHEMA "
    "SCOPE SECRET SELECTOR SERIAL SERVER SERVERS SERVICE SERVICES SHARD SIZE SNAPSHOT SNAPSHOTS SOURCE STANDBY "
    "START STATE STATEFULSET STATUS STORAGECLASS SUBNET SUBSCRIPTION SUM TABLE TAG TARGET TASK TENANT THIS "
    "THRESHOLD TIER "
    "TIMESTAMP TODAY TOKEN TOPIC TOTAL TYPE UNIT UPTIME URI USERNAME UUID VALUE VALUES VERSION VM VMI VMS VMSS VNET "
    "VOLUME VOLUMES VPC WORKER WORKLOAD YEAR YESTERDAY ZONE ZONES".split()
)
"""Words of which a name in capitals may be made: programs look at none that has no other."""
_BESIDE = frozenset({"API", "MY", "USER", "WC", "MC", "YOUR"})
"""Words that may stand in such a name beside others."""
_LAST = frozenset(
    "ARN CLUSTER DEPLOYMENT ID MAC NAME NAMESPACE NODE NODEGROUP NODEPOOL NODES NS POD PODS PV PVC SA SC SUBNET TOKEN "
    "UUID VM VMI VPC".split()
)
"""Last words of names for what a cluster or an account has: no program takes from one of these what it runs."""
_NEVER_FIRST = frozenset({"BASH", "GIT", "LD"})
_OF_TERRAFORM = re.compile(r"TF_VAR_[A-Za-z0-9_]+")
"""Values of a module's variables, which no reader evaluates."""
_TAKEN = frozenset({"LOG_DIR", "VAULT_ADDR", "CONSUL_HTTP_ADDR"})
"""Names that look like a fence's own: programs make such a folder, or send their token there."""
_FOLDERS = frozenset({"/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"})


def may_be_handed(name: str) -> bool:
    """Whether ``name=value program`` does not influence what the program runs."""
    return _HANDED.fullmatch(name) is not None


def may_be_given(name: str, pieces: Sequence[str | None]) -> bool:
    """Whether a value is safe for a variable that is passed on: a time zone is no file, and nothing spans several
    lines."""
    if not may_be_handed(name):
        return True
    held = "".join(piece or "" for piece in pieces)
    return not (name == "TZ" and (held[:1] == "/" or held.startswith(":/") or ".." in held)) and held.isprintable()


def may_be_assigned(name: str) -> bool:
    """Return whether a shell variable of that name may be assigned, exported or not: no program takes it for a
    setting."""
    if name in _TAKEN:
        return False
    if any(each.fullmatch(name) for each in (_OWN, _MIXED, _HANDED, _OF_TERRAFORM)):
        return True
    bare = name.rstrip("0123456789")
    parts = (bare.removesuffix("_") if bare != name else name).split("_")
    if not all(re.fullmatch("[A-Z0-9]+", part) for part in parts):
        return False
    if len(parts) > 1 and parts[-1] in _LAST and parts[0] not in _NEVER_FIRST:
        return True
    return all(part in _NOUNS or (len(parts) > 1 and part in _BESIDE) for part in parts)


def program_name(word: str) -> str:
    """Return the program's name; for a program outside the system's folders, its whole path, because nothing is known
    about such a program."""
    if "/" not in word:
        return word
    folder, _slash, name = word.rpartition("/")
    return name if folder in _FOLDERS else word
