"""The registry of actions, the source of the footer, the help, the palette and the key tables of the docs.

``@action(...)`` marks a method of an :class:`ActionGroup`, of a pane or of the app; ``why_not`` is the function that
tells why it cannot be done now. A pane is composed of groups; each is given what it works on and knows no other group.
Keys are Textual's names; ``keys:`` of the configuration replaces them by the action's id.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.core.errors import ConfigError
from lilfox_tui.core.i18n import Message, _, tr

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
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "escape": "esc",
    "pageup": "pgup",
    "pagedown": "pgdn",
}

VERBS: Mapping[str, tuple[str, str]] = {
    "A": ("acknowledge", "acknowledge"),
    "B": ("restore: bring back", "restore"),
    "C": ("cancel or stop what is running", "cancel stop"),
    "D": ("drill", "drill"),
    "E": ("errors: of the last 10 minutes, then the next one", "recent-errors error-before"),
    "F": ("inject a fault (demo)", "fault"),
    "G": ("go to the last row", "last"),
    "H": ("mark as done by hand", "by-hand"),
    "I": ("incident: open one, or show the open one", "incident"),
    "J": ("jump to a time", "jump"),
    "K": ("trust a host key", "trust"),
    "L": ("language", "language"),
    "N": ("previous match", "previous-match"),
    "O": ("sort", "sort"),
    "P": ("patterns", "patterns"),
    "Q": ("query", "query"),
    "R": ("try again now", "reconnect retry read-again"),
    "S": ("statistics", "statistics"),
    "T": ("theme", "theme"),
    "U": ("withdraw an acknowledgement", "unacknowledge"),
    "V": ("verify", "verify"),
    "W": ("write to a file", "save"),
    "X": ("end: the run, or the incident on its page", "end-run"),
    "a": ("actions of the selection", "selection"),
    "b": ("back up", "backup"),
    "c": ("changes", "changes"),
    "e": ("evidence: add to the incident", "evidence"),
    "f": ("follow", "follow"),
    "g": ("go to the first row", "first"),
    "i": ("add a note to the incident", "note"),
    "j": ("down", "down"),
    "k": ("up", "up"),
    "l": ("logs: of the selection, or of its job", "logs output"),
    "m": ("mark a record", "mark"),
    "n": ("next match", "next-match"),
    "o": ("sources, columns, namespaces", "sources namespace"),
    "p": ("pause", "pause"),
    "q": ("quit", "quit"),
    "r": ("runbooks of the selection", "runbook"),
    "s": ("silence", "silence"),
    "t": ("time: range or zone", "window times"),
    "u": ("undo", "undo"),
    "v": ("level", "level"),
    "w": ("wrap", "wrap"),
    "x": ("shell, or run in this terminal", "shell terminal"),
    "y": ("copy", "copy"),
    "z": ("zoom or fold", "zoom fold"),
}
"""A letter has one verb in all panes: the verb, and the ids of the actions that do it. Rare and heavy actions have no
letter: ``a`` and the palette list them."""


def _nothing(_owner: object = None) -> None:
    """The ``why_not`` of an action that is always enabled, and the ``now`` of one that always does the same."""


def _any(_owner: object = None) -> bool:
    """The ``fits`` of an action on rows of every kind."""
    return True


class Action(Struct, frozen=True):
    """What a key triggers. ``footer`` is its rank in the footer (0: not shown); ``now`` returns the text that the
    footer currently shows instead of ``title``, or None for the title. The functions of an action declared in a class
    take the owner as argument; those from :func:`bound_actions` take none."""

    id: str
    keys: tuple[str, ...]
    title: Message
    help: Message
    run: Callable[..., object]
    why_not: Callable[..., Message | None]
    footer: int = 0
    now: Callable[..., Message | None] = _nothing
    task: Message | None = None
    """What it is for: the heading in the help."""
    fits: Callable[..., bool] = _any
    """Whether it can ever be done with a row of the selected one's kind: if not, ``a`` does not list it."""
    offered: Callable[..., bool] = _any
    """Whether the footer may offer it now: not while what it is for is still read, though the key counts."""

    @property
    def key_text(self) -> str:
        """The first key, as the user types it."""
        return key_text(self.keys[0]) if self.keys else ""

    @property
    def in_footer(self) -> bool:
        """Whether the footer may show it: it lists keys."""
        return bool(self.footer and self.keys)


def key_text(key: str) -> str:
    """A Textual key name as a person types it: ``[`` for ``left_square_bracket``, ``ctrl-d`` for ``ctrl+d``."""
    return _NAMES.get(key, key.replace("upper_", "").replace("+", "-"))


def key_name(text: str) -> str:
    """The inverse of :func:`key_text`."""
    names = {shown: name for name, shown in _NAMES.items()}
    return names.get(text, text.replace("ctrl-", "ctrl+"))


class ActionGroup:
    """A group of related actions; what they act on is passed to the constructor."""

    TASK: ClassVar[Message | None] = None
    """What they are for: their heading in the help, which groups may share."""


def action(
    id_: str,
    keys: str,
    title: Message,
    help_: Message,
    *,
    why_not: Callable[[Any], Message | None] = _nothing,
    footer: int = 0,
    now: Callable[[Any], Message | None] = _nothing,
    fits: Callable[[Any], bool] = _any,
    offered: Callable[[Any], bool] = _any,
) -> Callable[[Handler], Handler]:
    """Marks a method as the handler of an action. ``keys`` are separated by spaces; ``why_not``, ``now``, ``fits``
    and ``offered`` take the same object as the method."""

    def mark(handler: Handler) -> Handler:
        made = Action(id_, tuple(keys.split()), title, help_, handler, why_not, footer, now, fits=fits,
                      offered=offered)  # fmt: skip
        setattr(handler, _MARK, made)
        return handler

    return mark


def actions_of(owner: type) -> tuple[Action, ...]:
    """The unbound actions of a class, its bases and the groups that it is composed of (``GROUPS``)."""
    groups: Iterable[type[ActionGroup]] = getattr(owner, "GROUPS", ())
    found = {each.id: each for group in groups for each in actions_of(group)}
    for cls in reversed(owner.__mro__):
        for member in vars(cls).values():
            mark = getattr(member, _MARK, None)
            if isinstance(mark, Action):
                found[mark.id] = replace(mark, task=getattr(owner, "TASK", None))
    return tuple(found.values())


def bound_actions(owner: object, groups: Iterable[ActionGroup] = ()) -> tuple[Action, ...]:
    """The actions of ``owner`` and its ``groups``, each bound to the object that declares it."""
    of_groups = {each.id: each for group in groups for each in bound_actions(group)}
    return tuple(
        of_groups.get(each.id)
        or replace(
            each,
            run=partial(each.run, owner),
            why_not=partial(each.why_not, owner),
            now=partial(each.now, owner),
            fits=partial(each.fits, owner),
            offered=partial(each.offered, owner),
        )
        for each in actions_of(type(owner))
    )


def suggestion(name: str, known: Collection[str]) -> str:
    """A similar one of the ``known`` names, or the first few of them."""
    from lilfox_tui.config.yaml_nodes import rather

    return rather(name, known)


def rebound(actions: Iterable[Action], keys: Mapping[str, str], elsewhere: Collection[str] = ()) -> tuple[Action, ...]:
    """Return ``actions`` with the keys set in the configuration. Raises ConfigError for an unknown action or a key used
    twice. ``elsewhere`` holds the ids of other panes' actions, which are valid too."""
    actions = tuple(actions)
    known = {each.id for each in actions} | set(elsewhere)
    unknown = [name for name in keys if name not in known]
    problems = [
        _("keys.{name}: no such action; {rather}", name=name, rather=suggestion(name, known)) for name in unknown
    ]
    bound = tuple(replace(each, keys=(key_name(keys[each.id]),)) if each.id in keys else each for each in actions)
    owners: dict[str, str] = {}
    for each in bound:
        for key in each.keys:
            if key in owners and (each.id in keys or owners[key] in keys):
                mover, owner = (each.id, owners[key]) if each.id in keys else (owners[key], each.id)
                text = _("keys.{mover}: {key} is already bound to {owner}; choose another",
                         mover=mover, key=key_text(key), owner=owner)  # fmt: skip
                problems.append(text)
            owners.setdefault(key, each.id)
    if problems:
        raise ConfigError(tr("invalid key bindings in the configuration"), tuple(problems))
    return bound
