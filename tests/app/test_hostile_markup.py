"""What hosts, services, alerts, logs and backups say is never markup: it acts on no click and ends no screen."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.segment import Segment
from textual.pilot import Pilot
from textual.screen import Screen

from lilfox_tui.app.dialogs.messages import AskDialog, ConfirmDialog
from lilfox_tui.app.rendering.draw import Palette, Piece
from lilfox_tui.config.themes import load_theme
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import cell_width, clean
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Overview
from tests.app.alerts_made import some
from tests.app.backups_made import hostile
from tests.app.log_files import line, settled
from tests.app.overviews import NOW, host, mixed, service, summary
from tests.app.still import screen_text, still_app

CLICK = "[@click=app.quit]boo[/boo]"
MARKUP = (
    CLICK, "[/x]", "[/", '[x="]', "[x='", "[", "]", "[[", "\\[", "[b", "[/]", "[@click=app.quit()]", "[link=x]y[/link]",
    "[$primary]a", "[on $error 50%]", "[red]a[/blue]", "[@]", "[=]", "[1]", "[{}]", ":fox:", "{0}", "%s", "$x", "\\",
    "[@click=screen.dismiss(True)]x", "[dim not", "[b]" * 12, "[\u202e/]", "\x1b[31m[/]", "[a b=c d", "[not bold]",
)  # fmt: skip
FUZZED = 10_000


def fuzzed() -> list[str]:
    """So many strings of the signs that markup is made of, the same each time."""
    chance = random.Random(4)
    signs = [*"[[[]]]//@@=\"'\\ abx$%#{}():.,\n\t\x1b\u202e\u200b用", *MARKUP]
    return [*MARKUP, *("".join(chance.choices(signs, k=chance.randint(1, 12))) for _each in range(FUZZED))]


def segments(pilot: Pilot[None]) -> list[Segment]:
    """All that stands on the screen."""
    return [each for strip in pilot.app.screen._compositor.render_strips() for each in strip]


def acts_on_nothing(pilot: Pilot[None]) -> None:
    """No cell has an action behind it, and the app is there."""
    assert [each.text for each in segments(pilot) if each.style and "@click" in each.style.meta] == []
    assert pilot.app.is_running
    assert pilot.app.return_code is None


def overview() -> Overview:
    """Hosts, services, alerts and backups that say all of :data:`MARKUP`."""
    hosts = {
        text: host(text, Level.DEGRADED, replace(summary(text, 9, 9, 9), kernel=text), tr("{t}", t=text), tags=(text,))
        for text in MARKUP
    }
    services = {text: service(text, Level.FAILING, 503, 0.1, tr("{t}", t=text)) for text in MARKUP}
    alerts = some()
    fired = replace(alerts.alerts[1], labels=(("alertname", CLICK), *((text, text) for text in MARKUP)),
                    annotations=(("summary", "".join(MARKUP)), ("runbook_url", CLICK)))  # fmt: skip
    return replace(
        mixed(), hosts=hosts, services=services, backups=hostile(), alerts=Ready(replace(alerts, alerts=(fired,)), NOW)
    )


@pytest.mark.fault("S4")
def test_ten_thousand_strings_are_drawn_as_they_are() -> None:
    palette = Palette(load_theme("fox-dark"), ascii_only=False)
    for text in fuzzed():
        strip = palette.strip((Piece(text),), 400 + cell_width(clean(text)))
        assert strip.text.rstrip() == clean(text).rstrip()
        assert not [each for each in strip if each.style and each.style.meta]


@pytest.mark.fault("S3", "S4")
@pytest.mark.parametrize("size", [(160, 120), (60, 20)])
async def test_no_pane_page_or_dialog_takes_it_for_markup(size: tuple[int, int]) -> None:
    app = still_app(overview())
    app.monitor.backups.feed.publish(hostile())
    async with app.run_test(size=size) as pilot:
        for keys in (
            "", "enter", "escape", "at_sign,left_square_bracket,slash,enter", "enter", "escape", "exclamation_mark",
            "enter", "escape", "question_mark", "escape", "ctrl+p", "left_square_bracket,slash", "escape", "s",
            "escape", "3", "enter", "enter", "escape", "escape", "slash,left_square_bracket,slash,x,enter", "escape",
        ):  # fmt: skip
            await pilot.press(*keys.split(",") if keys else ())
            await pilot.pause()
            acts_on_nothing(pilot)


@pytest.mark.fault("S4")
async def test_every_page_of_a_log_of_it_is_shown(tmp_path: Path) -> None:
    texts = fuzzed()[:1500]
    lines = [line(NOW - timedelta(seconds=len(texts) - at), "ERROR", text, text, exception=text, **{text: text})
             for at, text in enumerate(texts)]  # fmt: skip
    (tmp_path / "a.log").write_text("\n".join(lines) + "\n")
    app = still_app(mixed(), files=[str(tmp_path / "a.log")])
    async with app.run_test(size=(160, 100)) as pilot:
        await settled(app, pilot)
        for _page in range(len(texts) // 90 + 1):
            acts_on_nothing(pilot)
            await pilot.press("pageup")
            await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        acts_on_nothing(pilot)


@pytest.mark.fault("S3")
async def test_a_click_on_any_cell_of_it_does_nothing_of_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("\n".join(f"{CLICK} {number}" for number in range(3)) + "\n")
    app = still_app(mixed(), files=[str(tmp_path / "a.log")])
    async with app.run_test(size=(60, 16)) as pilot:
        await settled(app, pilot)
        at = next(at for at, text in enumerate(screen_text(pilot).splitlines()) if CLICK in text)
        begins = screen_text(pilot).splitlines()[at].index(CLICK)
        for column in range(begins, begins + len(CLICK)):
            await pilot.click(offset=(column, at))
        acts_on_nothing(pilot)


@pytest.mark.fault("S2", "S3", "S4")
@pytest.mark.parametrize(
    "dialog",
    [
        lambda text: ConfirmDialog(text, [(Piece(f" {text}"),)], text),
        lambda text: AskDialog(text, [(Piece(f" {text}"),)], does=text, stays=text),
    ],
    ids=["confirm", "ask"],
)
async def test_what_is_to_be_confirmed_is_shown_as_it_is(dialog: Callable[[str], Screen[bool]]) -> None:
    app = still_app(mixed())
    async with app.run_test(size=(160, 20)) as pilot:
        for text in (*MARKUP[::3], "rm -rf /tmp/\u202egpj.x\u2066\u200b"):
            app.push_screen(dialog(text))
            await pilot.pause()
            await pilot.pause()
            shown = screen_text(pilot)
            assert shown.count(clean(text).strip()) >= 2, "title and command"
            assert not set("\u202e\u2066\u200b\x1b") & set(shown)
            acts_on_nothing(pilot)
            await pilot.press("escape")
            await pilot.pause()
    assert "/tmp/<U+202E>gpj.x<U+2066><U+200B>" in shown
