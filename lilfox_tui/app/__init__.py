"""The console. Textual's command palette is never loaded: to import it takes a twentieth of the way to the first frame,
and ``Console.ENABLE_COMMAND_PALETTE`` is off."""

from __future__ import annotations

import sys
from types import ModuleType


class _NoPalette(ModuleType):
    """Stands for ``textual.command``: the classes that Textual's own modules import from there, and never make."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__module__": self.__name__})


sys.modules.setdefault("textual.command", _NoPalette("textual.command"))
