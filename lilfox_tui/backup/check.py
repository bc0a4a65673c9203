"""A question that is asked before anything is written, and its answer."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from lilfox_tui.i18n import Message

CheckState = Literal["good", "warning", "bad"]


class Check(Struct, frozen=True):
    """``about`` says what was looked at, ``found`` what was found, ``hint`` what to do. A ``bad`` one forbids to
    begin."""

    about: Message | str
    state: CheckState
    found: Message | str
    hint: Message | str = ""
