"""Options and operands among the words of a command."""

from __future__ import annotations

from collections.abc import Sequence


def letters(arguments: Sequence[str]) -> str:
    """All letters of short options."""
    return "".join(word[1:] for word in arguments if word.startswith("-") and not word.startswith("--"))


def has(arguments: Sequence[str], *options: str) -> bool:
    """Whether a long option is given, with or without a value."""
    return any(word.split("=", 1)[0] in options for word in arguments)


def operands(arguments: Sequence[str], with_value: str = "", long_with_value: Sequence[str] = ()) -> list[str]:
    """What is no option nor the value of one of the short options ``with_value``."""
    if not any(word[:1] == "-" for word in arguments):
        return list(arguments)
    found: list[str] = []
    skip = False
    for word in arguments:
        if skip:
            skip = False
        elif word.startswith("-") and len(word) > 1:
            skip = (len(word) == 2 and word[1] in with_value) or word in long_with_value
        else:
            found.append(word)
    return found


def unsure(
    arguments: Sequence[str], alone: str, with_value: str, long: Sequence[str] = (), valued: Sequence[str] = ()
) -> bool:
    """Whether an option before the first operand is not known: the operand may then be its value, and no verb."""
    skip = False
    for word in arguments:
        if skip:
            skip = False
        elif not word.startswith("-"):
            return False
        elif word.startswith("--"):
            skip = word in valued
            if not skip and word not in long and word.split("=", 1)[0] not in valued:
                return True
        elif len(word) == 2 and word[1] in with_value:
            skip = True
        elif any(letter not in alone for letter in word[1:]):
            return True
    return False
