"""Screens are drawn in UTC and in English unless a test says otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

from lilfox_tui.core.i18n import set_language
from lilfox_tui.logs import window

_parse_rules = Stylesheet._parse_rules
_PARSED: dict[tuple[object, ...], list[RuleSet]] = {}


def _parsed_once(sheet: Stylesheet, *text: object, **more: object) -> list[RuleSet]:
    """The rules of a text with the colours of a theme. Textual reads them only, and keeps them for one app; here they
    are those of all apps: to parse them anew was an eighth of what an app costs that shows one frame."""
    key = (*sheet._variables.items(), text, *more.items())
    if key not in _PARSED:
        _PARSED[key] = _parse_rules(sheet, *text, **more)  # type: ignore[arg-type]
    return _PARSED[key]


Stylesheet._parse_rules = _parsed_once  # type: ignore[method-assign, assignment]


@pytest.fixture(autouse=True)
def _utc_and_english(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    set_language("en")


@pytest.fixture(autouse=True)
def _a_slow_machine_is_no_slow_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which rows come first is tested where sources are made to be slow; here files of this machine are whole."""
    monkeypatch.setattr(window, "PATIENCE_S", 30.0)
