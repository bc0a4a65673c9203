"""The one registry of actions: footer, help, palette and the README's key table are made from it.

An action stands beside its handler: ``@action(...)`` on a method of the app or a pane, with the method that tells why
it cannot be done now. Keys are Textual's names; the config's ``keys:`` replaces them by the action's id.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.config.problems import rather
from lilfox_tui.errors import ConfigError
from lilfox_tui.i18n import Message, _, tr

Handler = TypeVar("Handler", bound=Callable[..., Any])
_MARK = "_lilfox_action"
_NAMES = {
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "grave_accent": "`",
    "slash": "/",
    "question_mark": "?",
    "colon": ":",
    "at": "@",
    "ampersand": "&",
    "exclamation_mark": "!",
    "apostrophe": "'",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "escape": "esc",
    "pageup": "pgup",
    "pagedown": "pgdn",
}


class Action(Struct, frozen=True):
    """What a key triggers. ``footer`` orders it in the footer (0: not there)."""

    id: str
    keys: tuple[str, ...]
    title: Message
    help: Message
    handler: str
    why_not: str = ""
    footer: int = 0

    @property
    def key_text(self) -> str:
        """Its first key as a person types it."""
        return key_text(self.keys[0]) if self.keys else ""


def key_text(key: str) -> str:
    """A Textual key name as a person types it: ``[`` for ``left_square_bracket``, ``ctrl-d`` for ``ctrl+d``."""
    return _NAMES.get(key, key.replace("upper_", "").replace("+", "-"))


def key_name(text: str) -> str:
    """The inverse of :func:`key_text`."""
    names = {shown: name for name, shown in _NAMES.items()}
    return names.get(text, text.replace("ctrl-", "ctrl+"))


def action(
    id_: str, keys: str, title: Message, help_: Message, *, why_not: str = "", footer: int = 0
) -> Callable[[Handler], Handler]:
    """Marks a method as the handler of an action. ``keys`` are separated by spaces."""

    def mark(handler: Handler) -> Handler:
        made = Action(id_, tuple(keys.split()), title, help_, handler.__name__, why_not, footer)
        setattr(handler, _MARK, made)
        return handler

    return mark


def actions_of(owner: type) -> tuple[Action, ...]:
    """The actions of a class and its bases, in the order they are written."""
    found: dict[str, Action] = {}
    for cls in reversed(owner.__mro__):
        for member in vars(cls).values():
            mark = getattr(member, _MARK, None)
            if isinstance(mark, Action):
                found[mark.id] = mark
    return tuple(found.values())


def rebound(actions: Iterable[Action], keys: Mapping[str, str], elsewhere: Collection[str] = ()) -> tuple[Action, ...]:
    """``actions`` with the config's keys; raises ConfigError for an unknown action or a key taken twice. The ids
    ``elsewhere`` are of other panes' actions."""
    actions = tuple(actions)
    known = {each.id for each in actions} | set(elsewhere)
    problems = [
        _("keys.{name}: there is no such action; {rather}", name=name, rather=rather(name, known))
        for name in keys
        if name not in known
    ]
    bound = tuple(replace(each, keys=(key_name(keys[each.id]),)) if each.id in keys else each for each in actions)
    owners: dict[str, str] = {}
    for each in bound:
        for key in each.keys:
            if key in owners and (each.id in keys or owners[key] in keys):
                mover, owner = (each.id, owners[key]) if each.id in keys else (owners[key], each.id)
                text = _("keys.{mover}: {key} is already the key of {owner}; choose another",
                         mover=mover, key=key_text(key), owner=owner)  # fmt: skip
                problems.append(text)
            owners.setdefault(key, each.id)
    if problems:
        raise ConfigError(tr("the config's keys cannot be used"), tuple(problems))
    return bound
