"""Names: of variables that a command may set without deciding what other programs do, and of programs."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HANDED = re.compile(
    r"LANG|LC_[A-Z]+|TZ|NO_COLOR|COLUMNS|PG(?:HOST|PORT|USER|DATABASE|PASSWORD|PASSFILE|SSLMODE)|ETCDCTL_API"
    r"|REDISCLI_AUTH|MYSQL_PWD|VAULT_TOKEN|AWS_PROFILE|AWS_(?:DEFAULT_)?REGION"
)
"""Names that may be handed to a program: others say which pager, editor, plug-in or library it runs."""
_OWN = re.compile(r"(?!.*_proxy)(?!histchars$|auto_resume$|npm_)[a-z][A-Za-z0-9_]*")
"""Names of a fence's own variables, which programs do not look at, as they do at ``_JAVA_OPTIONS``."""
_NOUNS = frozenset(
    "ALERT APP BACKUP BASE BRANCH BUCKET CLUSTER COMMIT CONTAINER COUNT DAEMON DATABASE DATE DB DEPLOYMENT "
    "DEVICE DIR DISK DOMAIN DURATION END EXPORTER FILE FILES FOLDER GROUP HOST HOSTS I ID INDEX INGRESS "
    "INSTANCE INTERFACE IP ISSUE JOB KEY LABEL LEADER LIMIT LOG LOGS MAC MACHINE MASTER MEMBER N NAME NAMES "
    "NAMESPACE NAMESPACES NEW NODE NODES NS OLD OPERATOR ORIGINAL OSD OUT OUTPUT PARTITION PATTERN PGID PID "
    "PIDS POD PODS POOL PORT PRIMARY PROCESS PROJECT PV PVC QUEUE REGION RELEASE REPLICA REPLICAS RESOURCE "
    "RESULT ROLE ROUTE SC SECRET SELECTOR SERVER SERVICE SHARD SIZE SNAPSHOT SOURCE START STATE STATEFULSET "
    "STATUS STORAGECLASS TABLE TAG TARGET TASK TENANT THRESHOLD TIMESTAMP TOPIC TYPE UNIT UUID VALUE "
    "VERSION VM VMI VOLUME WORKER ZONE".split()
)
"""Words of which a name in capitals may be made: programs look at none that has no other."""
_OF_ONES_OWN = re.compile(
    r"(?!LD_|GIT_|BASH_)(?:[A-Z0-9]+_)+(?:NAMESPACE|NS|POD|PODS|NODE|NODES|PVC|PV|SC|DEPLOYMENT|UUID|MAC|VM|VMI)"
)
"""Names for what a cluster has: no program takes from one of these what it runs."""
_TAKEN = frozenset({"LOG_DIR", "VAULT_ADDR", "CONSUL_HTTP_ADDR"})
"""Names that look like a fence's own: programs make such a folder, or send their token there."""
_FOLDERS = frozenset({"/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"})


def may_be_handed(name: str) -> bool:
    """Whether ``name=value program`` sets nothing that says what the program runs."""
    return _HANDED.fullmatch(name) is not None


def may_be_given(name: str, pieces: Sequence[str | None]) -> bool:
    """Whether a value may stand in a name that is handed on: a time zone is no file, and nothing has more lines."""
    if not may_be_handed(name):
        return True
    held = "".join(piece or "" for piece in pieces)
    return not (name == "TZ" and (held[:1] == "/" or held.startswith(":/") or ".." in held)) and held.isprintable()


def may_be_assigned(name: str) -> bool:
    """Whether it may be a variable of the shell, exported or not."""
    if name in _TAKEN:
        return False
    if _OWN.fullmatch(name) or _HANDED.fullmatch(name):
        return True
    if _OF_ONES_OWN.fullmatch(name):
        return True
    return name.isascii() and all(part in _NOUNS for part in name.rstrip("0123456789").split("_"))


def program_name(word: str) -> str:
    """The program's name; of one in a folder that is not the system's the whole path, which nothing is known of."""
    if "/" not in word:
        return word
    folder, _slash, name = word.rpartition("/")
    return name if folder in _FOLDERS else word
