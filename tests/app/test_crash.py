"""An error of our own ends the app with exit code 1, one line, and a traceback without local variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.app.start import _state_in
from lilfox_tui.core.crash import last_words
from lilfox_tui.core.paths import state_dir
from tests.app.overviews import mixed
from tests.app.still import StillMonitor, still_app


async def test_a_fault_in_drawing_ends_the_app_and_leaves_no_screen_that_stands_still(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    app = still_app(mixed())

    async def draw_twice() -> None:
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            monkeypatch.setattr(app.pane, "repaint", fail_to_draw)
            assert isinstance(app.monitor, StillMonitor)
            app.monitor.show(mixed())
            await pilot.pause()

    with pytest.raises(Exception, match="no way to draw this"):
        await draw_twice()
    assert app.return_code == 1
    assert "no way to draw this" in (state_dir() / "crash.log").read_text()


def test_the_log_of_a_crash_of_the_demo_is_still_there_when_its_folder_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own, demo = tmp_path / "own", tmp_path / "demo"
    demo.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(own))
    with _state_in(demo):
        assert not own.exists()  # a demo without a crash leaves nothing
        said = last_words(RuntimeError("the demo fell over"))
        assert state_dir() == demo / "lilfox"
    log = own / "lilfox" / "crash.log"
    assert str(log) in said
    assert "the demo fell over" in log.read_text()
    assert not list(demo.rglob("crash.log"))


def fail_to_draw() -> None:
    raise RuntimeError("no way to draw this")


@pytest.mark.fault("S39")
async def test_a_crash_shows_no_locals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    async def fall_over(_self: StillMonitor) -> None:
        password = "canary-" + "5ca1ab1e"
        raise RuntimeError("the monitor fell over" if password else "")

    monkeypatch.setattr(StillMonitor, "run", fall_over)
    app = still_app(mixed())
    with pytest.raises(Exception, match="fell over"):
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
    assert app.return_code == 1
    log = (state_dir() / "crash.log").read_text()
    assert "the monitor fell over" in log
    assert "fall_over" in log
    assert "5ca1ab1e" not in log
    assert (state_dir() / "crash.log").stat().st_mode & 0o077 == 0
    assert not [text for text in app._exit_renderables if "5ca1ab1e" in str(text)]
