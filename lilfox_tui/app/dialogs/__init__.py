"""The dialogs. None is on the first frame: the module of one that is named here is imported when it is first opened."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lilfox_tui.app.dialogs.help import HelpPage
    from lilfox_tui.app.dialogs.messages import WIDTHS, AskDialog, ConfirmDialog
    from lilfox_tui.app.dialogs.prompt import Choice, Chooser, KeptChooser, Prompt, PromptOffer
    from lilfox_tui.app.dialogs.reader import Reader

__all__ = [
    "WIDTHS", "AskDialog", "Choice", "Chooser", "ConfirmDialog", "HelpPage", "KeptChooser", "Prompt", "PromptOffer",
    "Reader",
]  # fmt: skip
_MODULES = {
    "AskDialog": "messages", "ConfirmDialog": "messages", "WIDTHS": "messages", "Choice": "prompt", "Chooser": "prompt",
    "KeptChooser": "prompt", "Prompt": "prompt", "PromptOffer": "prompt", "Reader": "reader", "HelpPage": "help",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
