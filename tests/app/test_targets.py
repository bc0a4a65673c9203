"""The list of targets, and the line that tells that some are down."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.app.panes.metrics.alert_section import down_text, target_rows
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.core.aio import Pending, Ready, Unavailable
from lilfox_tui.core.i18n import ntr, tr
from lilfox_tui.monitor.model import TargetView
from lilfox_tui.scrape.scraper import NoPage, Scrape
from tests.app.overviews import NOW
from tests.app.still import screen_text, still_app
from tests.app.test_screens import check
from tests.app.traffic_overviews import KEPT, busy

REFUSED = NoPage(tr("{where} returns {status}", where="192.0.2.8:9100", status=503), tr("See the service's log."))
DOWN = Unavailable(REFUSED, NOW - timedelta(seconds=61), NOW + timedelta(seconds=5), last=NOW - timedelta(seconds=76))
REMARK = ntr(
    "{count} sample dropped: duplicate series in the response",
    "{count} samples dropped: duplicate series in the response",
    2,
)
GOOD = Ready(Scrape(NOW - timedelta(seconds=3), 0.012, 695, 690, (REMARK,)), NOW)
TARGETS = (
    TargetView("http://127.0.0.1:8080/metrics", 5.0, GOOD, 690, "gateway", "127.0.0.1:8080"),
    TargetView("http://127.0.0.1:8001/metrics", 5.0, DOWN, 0, "model", "127.0.0.1:8001", optional=True),
    TargetView("http://127.0.0.1:9100/metrics", 15.0, Pending(), 0, "node", "127.0.0.1:9100", "web-1"),
    TargetView("http://192.0.2.8:9100/metrics", 15.0, DOWN, 0, "node", "192.0.2.8:9100", "web-1"),
)


@pytest.mark.parametrize(
    ("size", "language"), [((40, 10), "en"), ((80, 24), "en"), ((120, 40), "en"), ((80, 24), "zh_CN")]
)
async def test_the_list(size: tuple[int, int], language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = still_app(busy(), language=language)
    monkeypatch.setattr(app.monitor.scraping, "all_targets", lambda: TARGETS)
    monkeypatch.setattr(app.monitor.scraping, "kept", lambda: replace(KEPT, problems=("prometheus.yml:3: no",)))
    async with app.run_test(size=size) as pilot:
        await pilot.press("colon", *"targets", "enter")
        await pilot.pause()
        check(f"targets-{size[0]}x{size[1]}-{language}", screen_text(pilot))
        await pilot.press("escape")
        await pilot.pause()
        assert "192.0.2.8" not in screen_text(pilot)


def test_what_is_down_is_said_in_a_sentence() -> None:
    assert down_text(TARGETS[:3]) == "", "a service need not have a page"
    assert down_text(TARGETS) == "1 target is down: node 192.0.2.8:9100; :targets shows all"
    assert down_text((*TARGETS, TARGETS[3])) == "2 targets are down: node 192.0.2.8:9100, …; :targets shows all"


def test_where_nothing_is_scraped_that_is_said() -> None:
    rows = target_rows((), None, NOW, UNICODE)
    assert ["".join(piece.text for piece in row) for row in rows] == [
        " Targets  0 of 0 up",
        "",
        "   nothing is scraped",
    ]
