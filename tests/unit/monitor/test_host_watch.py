"""One watched host: what is said of it while its samples fail."""

from __future__ import annotations

from datetime import timedelta

from lilfox_tui.config.model import HostConfig, Thresholds
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import tr
from lilfox_tui.monitor.watchers.host import HostWatch
from tests.unit.monitor.summaries import AT


def test_a_host_that_is_asked_again_by_itself_says_when() -> None:
    watch = HostWatch("slow", HostConfig(), Thresholds(), period_s=1)
    again = AT + timedelta(seconds=1)
    watch.fail(HostUnreachable("slow", tr("no answer")), AT, again)
    link = watch.view(AT).link
    assert isinstance(link, Unavailable)
    assert link.next_try == again
