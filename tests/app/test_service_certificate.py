"""The certificate of a service on its page: the same days as in the JSON."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.metrics.model import CertificateTimes
from lilfox_tui.monitor.export import report
from lilfox_tui.monitor.model import Overview
from tests.app.overviews import NOW, mixed
from tests.app.still import screen_text, still_app

DAY = timedelta(days=1)


def shown(begin: timedelta, end: timedelta) -> Overview:
    """The overview whose gateway has such a certificate."""
    overview = mixed()
    gateway = overview.services["gateway"]
    assert gateway.state is not None
    state = replace(gateway.state, certificate=CertificateTimes(NOW + begin, NOW + end))
    return replace(overview, services={**overview.services, "gateway": replace(gateway, state=state)})


@pytest.mark.parametrize(
    ("begin", "end", "days", "told", "warned"),
    [
        (-30 * DAY, 60.5 * DAY, 60, "certificate 60 days left, until 2026-05-28", False),
        (-69 * DAY, 21 * DAY - timedelta(hours=1), 20, "certificate: 20 days left, until 2026-04-19", True),
        (-89 * DAY, 1.5 * DAY, 1, "certificate: 1 day left, until 2026-03-30", True),
        (-90 * DAY, -1 * DAY, -1, "certificate: expired on 2026-03-28", True),
    ],
)
async def test_the_page_says_how_long_the_certificate_is_valid(
    begin: timedelta, end: timedelta, days: int, told: str, warned: bool
) -> None:
    overview = shown(begin, end)
    assert report(overview)["services"]["gateway"]["certificate"]["days_left"] == days
    app = still_app(overview)
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.pause()
        app.metrics.open_page(("service", "gateway"))
        await pilot.pause()
        text = screen_text(pilot)
        assert told in text, text
        assert ("certificate: " in text) is warned
