"""Everything by keyboard alone, and nothing that a key in the footer cannot do."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, tzinfo

import asyncssh
import pytest
from msgspec.structs import replace

from lilfox_tui.app import app_actions, console
from lilfox_tui.app.actions import Action, actions_of, key_name, key_text, rebound
from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.dialogs.messages import Dialog
from lilfox_tui.app.navigation import TABS, Tab
from lilfox_tui.app.pane import Pane
from lilfox_tui.app.panes.metrics.pane import MetricsPane
from lilfox_tui.app.rows.hosts import SORTS
from lilfox_tui.app.shared_actions import ListActions
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import ConfigError, HostKeyUnknown, HostUnreachable, LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.ssh.connect import KnownKeys, key_error
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import HostView, Overview
from tests.app.overviews import NOW, host, lost, mixed, service, summary
from tests.app.still import StillMonitor, screen_text, still_app
from tests.waiting import until


def page_of(app: LilFoxApp) -> tuple[str, str] | None:
    return app.metrics.state.page


def rewound(app: LilFoxApp) -> datetime | None:
    return app.rewound


ACTIONS = (*actions_of(MetricsPane), *actions_of(LilFoxApp))
OF_PANES = [(tab.load(), each) for tab in TABS for each in (*actions_of(tab.load()), *actions_of(LilFoxApp))]


@pytest.mark.parametrize("pane", [tab.load() for tab in TABS])
def test_no_key_does_two_things(pane: type[Pane]) -> None:
    keys = [key for each in (*actions_of(pane), *actions_of(LilFoxApp)) for key in each.keys]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.module)
def test_the_actions_of_a_pane_are_known_before_it_is_imported(tab: Tab) -> None:
    of_lists = {each.id for each in actions_of(ListActions)}
    assert {each.id for each in actions_of(tab.load())} - of_lists == set(tab.own)


def test_what_has_one_name_in_two_panes_has_one_key() -> None:
    keys: dict[str, tuple[str, ...]] = {}
    for _pane, each in OF_PANES:
        assert keys.setdefault(each.id, each.keys) == each.keys, each.id


@pytest.mark.parametrize(("pane", "each"), OF_PANES, ids=lambda value: getattr(value, "id", None))
def test_every_action_is_whole(pane: type[Pane], each: Action) -> None:
    assert str(each.title)
    assert str(each.help)
    assert callable(each.run)
    assert callable(each.why_not)
    assert not set(each.keys) & {"ctrl+a", "ctrl+b"}, "these belong to tmux and screen"
    assert all(key_name(key_text(key)) == key for key in each.keys)


def test_keys_can_be_rebound() -> None:
    bound = {each.id: each.keys for each in rebound(ACTIONS, {"zoom": "Z", "earlier": "ctrl-left"})}
    assert bound["zoom"] == ("Z",)
    assert bound["earlier"] == ("ctrl+left",)


async def test_a_key_of_a_pane_that_is_not_shown_can_be_rebound() -> None:
    app = still_app(mixed(), keys={"follow": "ctrl-f", "zoom": "Z"})
    async with app.run_test(size=(100, 30)) as pilot:
        assert {each.id: each.keys for each in app.all_actions}["zoom"] == ("Z",)
        await pilot.press("2")
        assert {each.id: each.keys for each in app.all_actions}["follow"] == ("ctrl+f",)


def test_nothing_of_logs_is_imported_for_the_first_frame() -> None:
    names = "[name for name in sys.modules if name.startswith(('lilfox_tui.logs', 'lilfox_tui.app.panes.logs'))]"
    code = f"import sys, lilfox_tui.app.app; print({names})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_bad_key_table_is_refused_with_every_problem() -> None:
    with pytest.raises(ConfigError) as caught:
        rebound(ACTIONS, {"no-such": "x", "zoom": "q"})
    assert len(caught.value.problems) == 2
    assert "no-such" in caught.value.problems[0]
    assert "already bound to quit" in caught.value.problems[1]


async def test_every_key_of_the_footer_works() -> None:
    for each in (each for each in ACTIONS if each.in_footer and each.id not in ("quit", "back", "reconnect", "logs")):
        app = still_app(mixed())
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.pause()
            before = screen_text(pilot)
            await pilot.press(each.keys[0])
            await pilot.pause()
            assert screen_text(pilot) != before, each.id


async def test_choosing_opening_and_going_back() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        state = app.metrics.state
        assert (state.in_problems, state.selected) == (True, ("service", "backend")), "the worst and oldest comes first"
        for subject in (("service", "model"), ("host", "model-1"), ("host", "db-1")):
            await pilot.press("j")
            assert (state.in_problems, state.selected) == (True, subject)
        await pilot.press("enter")
        assert page_of(app) == ("host", "db-1")
        await pilot.press("escape", "k")
        assert (state.in_problems, state.selected) == (True, ("host", "model-1")), "it goes on among the problems"
        await pilot.press("j", "j")
        assert (state.in_problems, state.selected) == (False, ("host", "model-1")), "after them come the lists"
        await pilot.press("j")
        assert (state.in_problems, state.selected) == (False, ("host", "db-1"))
        await pilot.press("G")
        assert app.metrics.state.selected == ("service", "gateway")
        await pilot.press("k", "enter")
        assert app.metrics.state.page == ("service", "model")
        assert "connection refused" in screen_text(pilot)
        await pilot.press("escape", "g", "k")
        assert page_of(app) is None
        assert app.metrics.state.selected == ("service", "backend")
        await pilot.press("O")
        await pilot.pause()
        assert "by cpu" in screen_text(pilot)
        assert "cpu▾" in screen_text(pilot)
        await pilot.press(*"O" * (SORTS.index("configured") - 1))
        await pilot.pause()
        assert [name for problem, (_kind, name) in state.rows() if not problem][:4] == [
            "web-1", "db-1", "model-1", "new-1",
        ]  # fmt: skip
        hosts = screen_text(pilot).partition("─ Hosts ─")[2]
        places = [hosts.index(f" {name} ") for name in ("web-1", "db-1", "model-1", "new-1")]
        assert places == sorted(places), "as they are configured"


async def test_the_worst_is_selected_until_somebody_chooses() -> None:
    well = host("web-1", Level.GOOD, summary("web-1", 23, 61, 71))
    ill = service("api", Level.FAILING, None, None, tr("connection refused"))
    app = still_app(Overview(NOW, {"web-1": well}, {"api": service("api", Level.GOOD, 200, 0.01)}))
    assert isinstance(app.monitor, StillMonitor)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert app.metrics.state.selected == ("host", "web-1")
        app.monitor.show(Overview(NOW, {"web-1": well}, {"api": ill}))
        await pilot.pause()
        assert app.metrics.state.selected == ("service", "api")
        await pilot.press("j")
        assert app.metrics.state.selected == ("host", "web-1")
        app.monitor.show(Overview(NOW, {"web-1": well}, {"api": ill}))
        await pilot.pause()
        assert app.metrics.state.selected == ("host", "web-1")


async def test_a_filter_keeps_marks_and_is_cleared() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("slash", "w", "e", "b", "enter")
        assert [name for _kind, name in app.metrics.state.order()] == ["web-1"]
        assert "/web/" in screen_text(pilot)
        await pilot.press("ampersand", "g", "n")
        assert app.metrics.state.selected == ("host", "web-1")
        assert len(app.metrics.state.order()) == 7
        await pilot.press("escape")
        assert app.metrics.state.filter == ""


async def test_the_host_picker() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("at", "d", "b", "enter")
        await pilot.pause()
        assert app.metrics.state.page == ("host", "db-1")


async def test_the_palette_says_why_something_cannot_be_done() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(140, 30)) as pilot:
        app.metrics.state.choose(("host", "model-1"))
        await pilot.press("colon", *"trust")
        await pilot.pause()
        assert "this host has not presented an unknown key" in screen_text(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert len(app.screen_stack) == 2, "what cannot be done is not chosen"


async def test_a_key_of_a_host_is_trusted_only_where_a_host_is_selected() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        for page, why in (
            (("host", "web-1"), "this host has not presented an unknown key"),
            (("service", "gateway"), "select a host first"),
        ):
            app.metrics.open_page(page)
            await pilot.press("K")
            await pilot.pause()
            assert why in screen_text(pilot)


async def test_zoom_window_and_language() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("g")
        await pilot.pause()
        assert {"Problems", "Hosts", "Services"} <= set(re.findall(r"─ (\w+) ─", screen_text(pilot)))
        await pilot.press("z")
        await pilot.pause()
        assert set(re.findall(r"─ (\w+) ─", screen_text(pilot))) == {"Problems"}
        await pilot.press("escape")
        app.metrics.state.choose(("host", "model-1"))
        await pilot.press("enter", "t")
        await pilot.pause()
        assert "last 1 h" in screen_text(pilot)
        await pilot.press("L")
        await pilot.pause()
        assert "last 1 h" not in screen_text(pilot)


async def test_paused_holds_but_what_gets_worse_is_painted() -> None:
    overview = mixed()
    app = still_app(overview)
    assert isinstance(app.monitor, StillMonitor)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("p")
        busier = host("web-1", Level.GOOD, summary("web-1", 57, 61, 71))
        app.monitor.show(Overview(NOW, {**overview.hosts, "web-1": busier}, overview.services))
        await pilot.pause()
        assert "57%" not in screen_text(pilot)
        app.monitor.show(Overview(NOW, {**overview.hosts, "web-1": lost("web-1")}, overview.services))
        await pilot.pause()
        assert "✖ web-1" in screen_text(pilot)


async def test_an_unknown_key_is_trusted_only_by_a_typed_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    overview = mixed()
    text = tr("this host's key is unknown")
    error = HostKeyUnknown("new-1", text, "K shows it", fingerprint="SHA256:abc", key_type="ssh-ed25519")
    waiting = HostView(
        "new-1", overview.hosts["new-1"].config, Level.FAILING, NOW, (text,), None, Unavailable(error, NOW)
    )
    app = still_app(Overview(NOW, {"new-1": waiting}, {}))
    trusted: list[tuple[str, str]] = []

    async def trust(name: str, fingerprint: str) -> None:
        trusted.append((name, fingerprint))

    monkeypatch.setattr(app.monitor, "trust", trust)
    monkeypatch.setattr(app.monitor, "retry", lambda _name: None)
    async with app.run_test(size=(100, 30)) as pilot:

        async def asked() -> None:
            await pilot.press("K")
            await until(lambda: isinstance(app.screen, Dialog) and app.screen.painted_s is not None)
            assert "SHA256:abc" in screen_text(pilot)

        await asked()
        await pilot.press("y", "enter")
        await until(lambda: "nothing was done: type yes in full" in screen_text(pilot))
        assert trusted == []
        await pilot.press("escape")
        await asked()
        await pilot.press(*"yes", "enter")
        await pilot.pause()
        assert trusted == [("new-1", "SHA256:abc")]

        async def refuse(name: str, _fingerprint: str) -> None:
            raise HostUnreachable(name, tr("it shows another key now"))

        monkeypatch.setattr(app.monitor, "trust", refuse)
        await asked()
        await pilot.press(*"yes", "enter")
        await pilot.pause()
        assert "it shows another key now" in screen_text(pilot).splitlines()[1]


async def test_read_only_allows_no_shell() -> None:
    app = still_app(mixed(), read_only=True)
    async with app.run_test(size=(100, 30)) as pilot:
        app.metrics.state.choose(("host", "model-1"))
        await pilot.press("x")
        await pilot.pause()
        text = screen_text(pilot)
        assert "the shell is disabled" in text
        assert "read-only" in text.splitlines()[0]


async def test_time_can_be_turned_back_and_forth() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("left_square_bracket")
        await pilot.pause()
        assert app.rewound is not None
        assert "ago" in screen_text(pilot).splitlines()[0]
        await pilot.press("grave_accent")
        await pilot.pause()
        assert rewound(app) is None
        assert "23%" in screen_text(pilot)


class _Clock(datetime):
    """A clock that tests set."""

    shown = NOW

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return cls.shown.astimezone(tz)


@pytest.mark.parametrize("steps", [1, 3])
async def test_as_many_steps_forward_as_back_lead_to_the_present(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_actions, "oldest_known", lambda _app: NOW - timedelta(hours=1))
    monkeypatch.setattr(app_actions, "datetime", _Clock)
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        for key in ["left_square_bracket"] * steps + ["right_square_bracket"] * steps:
            assert (rewound(app) is None) is (_Clock.shown == NOW), "in the past all the time"
            await pilot.press(key)
            monkeypatch.setattr(_Clock, "shown", _Clock.shown + timedelta(minutes=1))
        assert rewound(app) is None


async def test_a_rewound_screen_tells_no_span_that_it_does_not_know() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(160, 48)) as pilot:
        app.navigation.rewind(NOW - timedelta(seconds=30))
        await pilot.pause()
        assert "0 ms" not in screen_text(pilot)
        assert " 0s " not in screen_text(pilot)
        app.metrics.open_page(("host", "web-1"))
        await pilot.pause()
        assert "for 0 ms" not in screen_text(pilot)


async def test_every_time_on_the_screen_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        for subject in (("host", "web-1"), ("service", "gateway")):
            app.metrics.open_page(subject)
            await pilot.pause()
            text = screen_text(pilot)
            assert "03:12:44 UTC" in text
            assert "11:12" not in text


async def test_over_a_slow_link_the_same_numbers_are_shown() -> None:
    """Rounded ones would differ from those of the problems, of the page and of the document."""
    found: list[list[str]] = []
    for slow_link in (False, True):
        app = still_app(mixed())
        app.slow_link = slow_link
        async with app.run_test(size=(160, 48)) as pilot:
            await pilot.pause()
            texts = [screen_text(pilot)]
            app.metrics.state.choose(("host", "web-1"))
            await pilot.press("z")  # all columns of its list
            await pilot.pause()
            texts.append(screen_text(pilot))
            rows = [line for text in texts for line in text.splitlines() if " web-1 " in line]
            found.append([" ".join(re.sub(r"[▁-█│]", " ", row).split()) for row in rows])
            app.metrics.open_page(("host", "web-1"))
            await pilot.pause()
            assert "23%" in screen_text(pilot)
            app.metrics.open_page(("service", "gateway"))
            await pilot.pause()
            assert "12ms" in screen_text(pilot)
    assert found[0] == found[1]


async def test_a_rewound_table_draws_what_had_been_until_then() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(80, 24)) as pilot:
        app.navigation.rewind(NOW - timedelta(seconds=112))  # recorded for four periods by then
        await pilot.pause()
        web = next(line for line in screen_text(pilot).splitlines() if "web-1" in line)
        assert " ▂▂▂▂▂ " in web  # that moment and the four before it


@pytest.mark.parametrize(
    ("age", "form"), [(timedelta(), r"\d\d:\d\d:\d\d"), (timedelta(days=365), r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")]
)
async def test_the_limit_of_going_back_has_a_date_where_it_is_not_today(
    age: timedelta, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_actions, "oldest_known", lambda _app: datetime.now(UTC) - age)
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        app.navigation.rewind(datetime.now(UTC) - age)
        await pilot.press("left_square_bracket")
        await pilot.pause()
        assert re.search(f"cannot go back further than {form}(?!\\S)", screen_text(pilot))


async def test_a_page_says_how_much_of_it_is_below() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(80, 24)) as pilot:
        app.metrics.open_page(("host", "db-1"))
        await pilot.pause()
        before = app.metrics.rows_below
        assert f"{before} more below" in screen_text(pilot).splitlines()[1]
        await pilot.press("j")
        await pilot.pause()
        assert f"{before - 1} more below" in screen_text(pilot).splitlines()[1]
        await pilot.press("G")
        await pilot.pause()
        assert "more below" not in screen_text(pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert "more below" not in screen_text(pilot), "all rows of the lists fit, whichever is selected"


async def test_a_note_stays_its_time_whatever_was_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    app = still_app(mixed())
    async with app.run_test(size=(80, 24)) as pilot:
        monkeypatch.setattr(console, "NOTE_S", 0.05)
        app.tell("the one before")
        monkeypatch.setattr(console, "NOTE_S", 60.0)
        app.tell("what counts")
        later = asyncio.Event()
        app.set_timer(0.15, later.set)
        await later.wait()
        await pilot.pause()
        assert "what counts" in screen_text(pilot)


@pytest.mark.parametrize("answer", [LilFoxError("/b: the disk is full"), tr("copied")])
async def test_news_wait_until_an_answer_has_been_shown(
    answer: LilFoxError | Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the disk full, "firing now" came over the reason why the backup that a key had started did not begin."""
    app = still_app(mixed())
    async with app.run_test(size=(80, 24)) as pilot:
        monkeypatch.setattr(console, "NOTE_S", 60.0)
        app.tell(answer)
        for name in ("a", "b", "b"):
            app.announce(tr("firing now: {names}; press ! for alerts", names=name))
        await pilot.pause()
        assert str(answer) in screen_text(pilot)
        assert "firing now" not in screen_text(pilot)
        for name in ("a", "b"):
            app._clear_note()
            await pilot.pause()
            assert f"firing now: {name}; press ! for alerts" in screen_text(pilot)
        app._clear_note()
        await pilot.pause()
        assert "firing now" not in screen_text(pilot)


@pytest.mark.fault("4.94")
async def test_a_changed_key_is_shown_beside_the_known_one_and_never_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    overview = mixed()
    known = asyncssh.generate_private_key("ssh-ed25519").convert_to_public()
    other = asyncssh.generate_private_key("ssh-ed25519").convert_to_public()
    error = key_error("new-1", "[10.0.0.7]:2222", "changed", other, KnownKeys((known,), (), ()))
    view = HostView("new-1", overview.hosts["new-1"].config, Level.FAILING, NOW, (), None, Unavailable(error, NOW))
    app = still_app(Overview(NOW, {"new-1": view}, {}))
    monkeypatch.setattr(app.monitor, "trust", None)
    for size in ((100, 30), (80, 24)):
        async with app.run_test(size=size) as pilot:
            await pilot.press("K")
            await pilot.pause()
            text = screen_text(pilot)
            words = " ".join(text.replace("│", " ").split())
            for part in ("THE KEY OF new-1 HAS CHANGED", f"presented now {other.get_fingerprint()}",
                         f"known {known.get_fingerprint()}", "ssh-keygen -R '[10.0.0.7]:2222'",
                         "Ask the host's owner", "press R to retry"):  # fmt: skip
                assert part in words, text
            await pilot.press(*"yes", "K", "enter")
            await pilot.pause()
            assert len(app.screen_stack) == 1, "a dialog to read: any answer leaves it, none accepts"
        app = still_app(Overview(NOW, {"new-1": view}, {}))
        monkeypatch.setattr(app.monitor, "trust", None)


@pytest.mark.fault("4.95")
async def test_a_rewound_screen_tells_nothing_that_happened_later() -> None:
    app = still_app(mixed())
    for seconds, level in ((-90, Level.GOOD), (-60, Level.FAILING), (-20, Level.GOOD)):
        at = NOW + timedelta(seconds=seconds)
        view = replace(host("web-1", level, summary("web-1", 23, 61, 71)), since=at)
        app.monitor.changes.observe(Overview(at, {"web-1": view}, {}))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "good again" in screen_text(pilot)
        app.navigation.rewind(NOW - timedelta(seconds=30))
        await pilot.pause()
        await pilot.press("c")
        await pilot.pause()
        assert "good again" not in screen_text(pilot)
        assert "web-1  failing" in screen_text(pilot)
