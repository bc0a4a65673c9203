"""What follows when a unit was restarted in vain too often: an incident, once."""

from __future__ import annotations

from lilfox_tui.config.runbook_model import RecoveryConfig
from lilfox_tui.i18n import _, ngettext
from lilfox_tui.incident.incidents import append, open_incident
from lilfox_tui.incident.model import Noted
from lilfox_tui.recovery.book import Record


def tell(name: str, config: RecoveryConfig, record: Record) -> None:
    """Opens an incident, or notes it in the one that is open. Blocks. Raises LilFoxError."""
    text = ngettext(
        "{unit} on {host} is unhealthy after {count} restart and is left alone: {why}",
        "{unit} on {host} is unhealthy after {count} restarts and is left alone: {why}",
        len(record.restarts), unit=config.unit, host=config.host, why=record.why,
    )  # fmt: skip
    incident = open_incident(
        _("{unit} on {host} does not recover", unit=config.unit, host=config.host),
        "SEV-2", f"recovery {name}", "lilfox recover", unless_open=True,
    )  # fmt: skip
    append(incident.id, Noted(text=text), by="lilfox recover")
