"""Silences as choices: those that go on first, then those that have ended lately. Imported where there are rules."""

from __future__ import annotations

from lilfox_tui.alerts.model import Alerts, Silence
from lilfox_tui.alerts.silences import format_matchers, is_active
from lilfox_tui.app.dialogs.chooser import Choice
from lilfox_tui.app.panes.metrics.alert_page import silence_text
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.i18n import _


def silence_choices(alerts: Alerts, *, can_end: bool) -> list[Choice]:
    """One choice a silence; those that have ended cannot be chosen."""
    ordered = sorted(alerts.silences, key=lambda one: (not is_active(one, alerts.at), -one.ends_at.timestamp()))
    return [_choice(one, alerts, can_end=can_end) for one in ordered]


def _choice(silence: Silence, alerts: Alerts, *, can_end: bool) -> Choice:
    active = is_active(silence, alerts.at)
    matchers = format_matchers(silence.matchers)
    taken = sum(silence.id in alert.silenced_by for alert in alerts.alerts)
    state: Row
    if active:
        state = (Piece(silence_text(silence, alerts.at) + "  ", "accent"), Piece(f"{taken}  ", "strong"))
    else:
        state = (Piece(_("ended {time}", time=silence.ends_at.strftime("%m-%d %H:%M")) + "  ", "muted"),)
    text = "  ".join(each for each in (matchers, silence.comment) if each)
    return Choice(silence.id, (*state, Piece(text, "text" if active else "muted")), text, active and can_end, more=text)
