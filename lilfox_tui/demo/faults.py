"""The faults that a stand-in service can have."""

from __future__ import annotations

from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import Message, tr

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


def parse_fault(text: str) -> tuple[str, str]:
    """``SERVICE:KIND`` as a pair. Raises UsageError that names what there is."""
    service, _colon, kind = text.partition(":")
    if service not in SERVICES or kind not in FAULTS:
        raise UsageError(
            tr("fault {fault} does not exist: it is SERVICE:KIND", fault=text),
            tr("services: {services}; kinds: {kinds}", services=", ".join(SERVICES), kinds=", ".join(FAULTS)),
        )
    return service, kind
