"""The help page: the basics first, then the open pane, then the others; no key twice; one filter over all of it."""

from __future__ import annotations

import pytest

from lilfox_tui.app.actions import Action, actions_of
from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.dialogs.help import TWO_COLUMNS, HelpPage, HelpSection
from lilfox_tui.app.dialogs.reader import matching
from lilfox_tui.app.navigation import TABS
from lilfox_tui.app.rendering.columns import cells
from lilfox_tui.app.rendering.draw import UNICODE, Piece, Row
from lilfox_tui.core.i18n import set_language
from lilfox_tui.core.text import brief

LOGS = ("2 Logs", Action("keep", ("plus",), TABS[1].title, TABS[1].title, lambda: None, lambda: None))


def here(place: int = 0) -> tuple[Action, ...]:
    return (*actions_of(TABS[place].load()), *actions_of(LilFoxApp))


def elsewhere(place: int = 0) -> list[tuple[str, Action]]:
    known = {(each.id, str(each.help)) for each in here(place)}
    found = []
    for other, tab in enumerate(TABS):
        for each in actions_of(tab.load()) if other != place else ():
            if (each.id, str(each.help)) not in known:
                known.add((each.id, str(each.help)))
                found.append((f"{other + 1} {tab.title}", each))
    return found


def whole(place: int = 0) -> HelpPage:
    page = HelpPage(here(place), UNICODE)
    page.add_elsewhere(elsewhere(place))
    return page


def text_of(row: Row) -> str:
    return "".join(piece.text for piece in row)


def squeezed(text: str) -> str:
    return "".join(text.split())


def headings(sections: list[HelpSection]) -> list[str]:
    return [each.heading for each in sections]


def test_it_begins_with_the_basics_and_ends_with_the_other_panes() -> None:
    sections = whole().sections()
    names = headings(sections)
    assert names[0] == "Basics"
    assert [each.sign for each in sections[0].entries] == [
        "j down", "k up", "enter", "esc", "/", "a", ": ctrl-p", "?", "q",
    ]  # fmt: skip
    assert names[1:3] == ["Display", "Hosts"], "what the pane does comes before how to move in it"
    at = names.index("Move, filter, copy")
    others = [name.partition(":")[0] for name in names[at + 1 : -1]]
    assert list(dict.fromkeys(others)) == ["2 Logs", "3 Backup", "4 Runbook", "5 Clusters"]
    assert names[-1] == "Symbols"
    assert len(names) == len(set(names))


@pytest.mark.parametrize("place", range(len(TABS)), ids=lambda place: str(TABS[place].title))
def test_no_key_is_listed_twice(place: int) -> None:
    page = whole(place)
    sections = page.sections()
    in_this_pane = [entry.sign for each in sections[:-1] if each.heading[0].isalpha() for entry in each.entries]
    assert len(in_this_pane) == len(set(in_this_pane))
    for each in sections:
        signs = [entry.sign for entry in each.entries]
        assert len(signs) == len(set(signs)), each.heading
    told = [(entry.sign, entry.text) for each in sections for entry in each.entries]
    assert len(told) == len(set(told))


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("place", range(len(TABS)), ids=lambda place: str(TABS[place].title))
@pytest.mark.parametrize("width", [37, 77, 117])
def test_with_a_filter_every_help_is_readable_in_full(place: int, language: str, width: int) -> None:
    set_language(language)
    try:
        page = whole(place)
        for each in (*here(place), *(each for _pane, each in elsewhere(place))):
            lines = page.lines(f"{each.title} {each.help}", width)
            assert all(cells(line) <= width for line in lines)
            assert squeezed(str(each.help)) in squeezed("".join(map(text_of, lines)))
    finally:
        set_language("en")


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("place", range(len(TABS)), ids=lambda place: str(TABS[place].title))
def test_every_key_of_the_pane_has_a_line_and_all_fit_an_ordinary_screen(place: int, language: str) -> None:
    set_language(language)
    try:
        page = HelpPage(here(place), UNICODE, 33)
        for width in (TWO_COLUMNS, 117, 157):
            lines = page.lines("", width)
            assert all(cells(line) <= width for line in lines)
            if width >= 117:
                assert len(lines) <= 33, "120x40 without scrolling"
            text = " ".join(map(text_of, lines))
            words = text.split()
            for each in here(place):
                assert each.key_text in words if each.keys else f":{each.title}" in text, each.id
        single = page.lines("", 77)
        headed = [row for row in single if row and row[0].role == "title"]
        assert text_of(single[0]) == " " + str(page.sections()[0].heading)
        assert len(headed) == len({text_of(row) for row in headed}), "no heading twice"
    finally:
        set_language("en")


@pytest.mark.parametrize(
    ("text", "room", "told"),
    [
        ("silence notifications; previews the affected alerts first", 40, "silence notifications"),
        ("jump to a time (03:15, 10m), a percentage (50%) or a line", 26, "jump to a time"),
        ("show times in UTC or in this machine's time zone", 40, "show times in UTC"),
        ("所有采集目标：正常或异常，以及原因", 20, "所有采集目标"),
        ("a whole", 3, "a whole"),
        ("degraded: a value is above its warning level, or stale", 0, "degraded"),
    ],
)
def test_a_help_is_shortened_to_what_can_stand_alone(text: str, room: int, told: str) -> None:
    assert brief(text, room) == told


def test_the_filter_searches_all_of_it() -> None:
    page = whole()
    (alerts,) = page.sections("SILENCE noti")
    assert alerts.heading == "Alerts"
    assert [each.sign for each in alerts.entries] == ["s"]
    assert headings(page.sections("histogram")) == ["2 Logs: Go to"], "of another pane"
    assert headings(page.sections("4 runbook"))[0] != "Symbols"
    assert [text_of(row).strip() for row in page.lines("silence nowhere", 77)] == ["nothing matches"]
    assert page.sections(" ") == page.sections()


def test_before_the_other_panes_are_known_their_keys_are_left_out() -> None:
    page = HelpPage(here(), UNICODE)
    assert not page.sections("histogram")
    page.add_elsewhere([LOGS])
    page.add_elsewhere([LOGS])
    assert headings(page.sections("2 logs +")) == ["2 Logs: "]


def test_rows_that_match_stay_below_their_headings() -> None:
    rows: list[Row] = [(Piece("One", "title"),), (Piece("alpha"),), (), (Piece("Two", "title"),), (Piece("beta"),)]
    assert list(map(text_of, matching(rows, "BE"))) == ["Two", "beta"]
    assert [text_of(row).strip() for row in matching(rows, "gamma")] == ["nothing matches"]
    assert matching(rows, " ") == rows


def test_below_the_keys_of_this_pane_are_those_of_the_others() -> None:
    for width in (77, 117):
        page = HelpPage(here(2), UNICODE, 33)
        own = page.lines("", width)
        page.add_elsewhere(elsewhere(2))
        lines = page.lines("", width)
        assert lines[: len(own)] == own, "nothing of it moves when the others are known"
        assert all(cells(line) <= width for line in lines)
        below = lines[len(own) :]
        assert [text_of(row).strip() for row in below if row and row[0].role == "title"] == [
            "1 Metrics", "2 Logs", "4 Runbook", "5 Clusters",
        ]  # fmt: skip
        words = " ".join(map(text_of, below)).split()
        assert all(each.key_text.split()[0] in words for _pane, each in elsewhere(2) if each.keys)


def test_what_a_pane_is_for_comes_before_how_it_is_shown() -> None:
    tasks = [text_of(row).strip() for row in HelpPage(here(2), UNICODE).lines("", 77) if row and row[0].role == "title"]
    assert tasks[:5] == ["Basics", "Back up and restore", "Display", "Jobs", "Panes"]


def test_what_has_no_key_is_named_as_in_the_palette() -> None:
    """As one term: not by the id that the configuration has for it."""
    told = squeezed("".join(map(text_of, HelpPage(here(2), UNICODE).lines("", 200))))
    assert ":retained" in told
    assert ":kept" not in told
