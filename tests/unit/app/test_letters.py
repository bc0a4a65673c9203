"""A letter has one verb in all panes."""

from __future__ import annotations

from collections import defaultdict

import pytest

from lilfox_tui.app.actions import VERBS, Action, actions_of
from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.app_actions import OF_SELECTION
from lilfox_tui.app.navigation import TABS

PANES = {tab.title.text: actions_of(tab.load()) for tab in TABS}
EVERYWHERE = actions_of(LilFoxApp)
ALL = (*EVERYWHERE, *(each for actions in PANES.values() for each in actions))


def letters(action: Action) -> list[str]:
    return [key for key in action.keys if len(key) == 1 and key.isalpha()]


def test_a_letter_has_one_verb() -> None:
    used: dict[str, set[str]] = defaultdict(set)
    for each in ALL:
        for letter in letters(each):
            used[letter].add(each.id)
    assert {letter: set(ids.split()) for letter, (_verb, ids) in VERBS.items()} == dict(used)


@pytest.mark.parametrize("pane", PANES)
def test_a_key_does_one_thing_in_a_pane(pane: str) -> None:
    keys = [(key, each.id) for each in (*EVERYWHERE, *PANES[pane]) for key in each.keys]
    assert sorted(keys) == sorted(dict(keys).items())


@pytest.mark.parametrize("each", {each.id: each for each in ALL if not each.keys}.values(), ids=lambda each: each.id)
def test_what_has_no_key_is_not_promised_one(each: Action) -> None:
    assert not each.in_footer
    assert each.id in OF_SELECTION or each.id in ("targets", "audit")


def test_the_actions_of_a_selection_exist() -> None:
    assert set(OF_SELECTION) - {each.id for each in ALL} == set()
