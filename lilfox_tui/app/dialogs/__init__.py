"""The dialogs. None is on the first frame: the module of one that is named here is imported when it is first opened."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lilfox_tui.app.dialogs.messages import AskDialog, ConfirmDialog
    from lilfox_tui.app.dialogs.prompt import Choice, Chooser, KeptChooser
    from lilfox_tui.app.dialogs.reader import Reader, help_rows

__all__ = ["AskDialog", "Choice", "Chooser", "ConfirmDialog", "KeptChooser", "Reader", "help_rows"]
_MODULES = {
    "AskDialog": "messages", "ConfirmDialog": "messages", "Choice": "prompt", "Chooser": "prompt",
    "KeptChooser": "prompt", "Reader": "reader", "help_rows": "reader",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
