"""The states of a set, and the one place that derives them. Imports nothing: the first frame waits for it."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """The states of a set: :func:`state_of` derives them, and every face reads them."""

    UNVERIFIED = "unverified"
    """○ Nobody has looked."""
    INTACT = "intact"
    """◐ Digests, trailers and content are right."""
    RESTORED = "restored"
    """● A drill has restored it and found it equal."""
    PARTIAL = "partial"
    """◐ A source of its plan is not in it, whatever the rest has been proven to be."""
    UNTRUSTED = "untrusted"
    """✖ Its signature is forged, or the configuration wants one that it does not have."""
    BROKEN = "broken"
    """✖ Not to be restored."""


COUNTED = frozenset({Status.INTACT, Status.RESTORED})
"""Retention counts these as sets to keep, and a plan is late without a new one."""
REFUSED = frozenset({Status.BROKEN, Status.UNTRUSTED})
"""Never restored."""


def state_of(*, fault: object, untrusted: bool, missing: bool, proven: str | None) -> Status:
    """The state of a set. ``fault``: why what lies in the store cannot be whole, whatever a proof says; ``untrusted``:
    its signature is not accepted; ``missing``: a source of the plan is not in it; ``proven``: what its proof says."""
    if fault:
        return Status.BROKEN
    if untrusted:
        return Status.UNTRUSTED
    if proven == "broken":
        return Status.BROKEN
    if missing:
        return Status.PARTIAL
    return Status.UNVERIFIED if proven is None else Status(proven)
