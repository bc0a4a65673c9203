"""One change, as it is shown before it is made and as its job is asked for it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal["restart", "stop", "start"]


class Operation(Struct, frozen=True, kw_only=True):
    """A command on one host. No shell reads it."""

    kind: Kind
    host: str
    """Its name in the configuration; ``localhost`` where that has no local host."""
    subject: str
    """What it acts on: a unit."""
    argv: tuple[str, ...]
    sudo: bool = False
    title: str
    """What it does, in the language of the one who asks."""
    changes: tuple[str, ...] = ()
    """What will be otherwise than it was, a sentence each."""

    @property
    def key(self) -> str:
        """Of its job: two operations on one thing are not made at once."""
        return f"operation {self.host} {self.subject}"
