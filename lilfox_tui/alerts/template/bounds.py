"""Limits of one expansion: a template comes from a file, and what it works on from the outside."""

from __future__ import annotations

from lilfox_tui.alerts.template.errors import ExpansionFailed

MAX_CHARACTERS = 64 * 1024
MAX_STEPS = 50_000
MAX_DEPTH = 60
QUERY_STEPS = 1000
_CHARACTERS_A_STEP = 100


class Budget:
    """What is left of the steps and the depth of one expansion. Its methods raise ExpansionFailed."""

    def __init__(self) -> None:
        self.steps = MAX_STEPS
        self.depth = 0

    def spend(self, steps: int = 1) -> None:
        """Counts ``steps``; one is about the work of one operand."""
        self.steps -= steps
        if self.steps < 0:
            raise ExpansionFailed(f"stopped after {MAX_STEPS} steps: the template does too much")

    def spend_on_texts(self, *values: object) -> None:
        """Counts the work of a function on texts, and refuses one that is too long."""
        for value in values:
            if isinstance(value, str):
                self.spend(len(value) // _CHARACTERS_A_STEP)
                if len(value) > MAX_CHARACTERS:
                    raise too_long()

    def deeper(self) -> None:
        """Counts one level; whoever leaves it takes it off ``depth``."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpansionFailed(f"exceeded maximum template depth ({MAX_DEPTH})")


def too_long() -> ExpansionFailed:
    """The error of a text over the limit."""
    return ExpansionFailed(f"stopped: the text grew over {MAX_CHARACTERS} characters")


class Growing:
    """A text that is put together from pieces. :meth:`add` raises ExpansionFailed where it becomes too long."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.length = 0

    def add(self, piece: str) -> None:
        """Adds ``piece`` at the end."""
        self.length += len(piece)
        if self.length > MAX_CHARACTERS:
            raise too_long()
        self.pieces.append(piece)

    def __str__(self) -> str:
        return "".join(self.pieces)
