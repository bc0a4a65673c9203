"""The faults that a stand-in service can have."""

from __future__ import annotations

from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import Message, clauses, listed, tr

SERVICES = {"gateway": 8080, "backend": 8000, "model": 8001}
"""The stand-in services and the ports the manual gives them."""

HEALED = "none"
FAULTS: dict[str, Message] = {
    "slow": tr("every answer takes 1.5 s longer"),
    "5xx": tr("every answer is 500, with a traceback in the log"),
    "crash": tr("the process dies and stays dead"),
    "leak": tr("memory grows by 4 MB a second, up to 256 MB"),
    "errors": tr("10 errors a second in the log"),
    "unhealthy": tr("/health answers 503, all else works"),
    "hang": tr("connections are taken and never answered"),
}
DATABASE, STORE = "database", "store"
FAULTS_OF: dict[str, dict[str, Message]] = {
    **dict.fromkeys(SERVICES, FAULTS),
    DATABASE: {
        "users": tr("somebody deletes half of the users, and their messages with them"),
        "table": tr("somebody drops the table of messages"),
    },
    STORE: {"gone": tr("the disk with the backups is unplugged")},
}
"""What can be made ill, and how. What was done to the database is not taken back but by a restore."""


def parse_fault(text: str) -> tuple[str, str]:
    """``SERVICE:KIND`` as a pair. Raises UsageError that names what there is."""
    name, _colon, kind = text.partition(":")
    if kind not in FAULTS_OF.get(name, {}):
        known = clauses(f"{each}: {listed(kinds)}" for each, kinds in FAULTS_OF.items())
        raise UsageError(
            tr("fault {fault} does not exist: it is SERVICE:KIND", fault=text), tr("there are {known}", known=known)
        )
    return name, kind
