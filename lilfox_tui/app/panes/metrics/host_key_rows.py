"""What is said of a host's key that is not trusted: one that nobody knows yet, and one that has changed. Pure."""

from __future__ import annotations

from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.errors import HostKeyChanged, HostKeyUnknown
from lilfox_tui.i18n import _
from lilfox_tui.text import cell_width


def unknown_key_rows(host: str, error: HostKeyUnknown) -> list[Row]:
    """What is shown before somebody trusts it."""
    return [
        *_named(
            (_("host"), Piece(host, "strong")),
            (_("fingerprint"), Piece(f"{error.key_type} {error.fingerprint}", "accent")),
        ),
        (Piece("  " + _("Compare it with what the host's owner tells you, by another way than this one.")),),
    ]


def changed_key_rows(host: str, error: HostKeyChanged) -> list[Row]:
    """Both fingerprints and what to do. It is not accepted from here, whatever key is pressed."""
    return [
        (Piece(" " + _("THE KEY OF {host} HAS CHANGED", host=host), "failing"),),
        BLANK,
        *_named(
            (_("shown now"), Piece(error.fingerprint, "failing")),
            (_("known"), Piece(error.known or _("none that is not revoked"), "strong")),
        ),
        BLANK,
        (Piece("  "), Piece(str(error.message))),
        (Piece("  "), Piece(str(error.hint))),
        BLANK,
        (Piece("  "), Piece(_("Nothing is sent to it meanwhile: no command, no password."))),
        (Piece("  "), Piece(_("1. Ask the host's owner, by another way than this one, whether its key was replaced."))),
        (Piece("  "), Piece(_("2. Only if it was: remove the old line as said above, then press R to try again."))),
        (Piece("  "), Piece(_("3. The new key is unknown then: compare its fingerprint, and trust it with K."))),
    ]


def _named(*rows: tuple[str, Piece]) -> list[Row]:
    width = max(cell_width(name) for name, _value in rows)
    return [(Piece("  " + name + " " * (width - cell_width(name)), "muted"), Piece("  "), each) for name, each in rows]
