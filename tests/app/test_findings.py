"""Findings of the audit in the console: on home, on the pages of what they are about, each on its own page."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.dialogs.prompt import Chooser, Prompt
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message
from lilfox_tui.monitor.model import AuditView, Overview, RunbooksView
from lilfox_tui.monitor.watchers.audit import AuditWatch
from lilfox_tui.runbook.parse.document import parse
from tests.app.audit_made import ACCEPTED, DURABILITY, FIREWALL, PASSWORDS, finding, result
from tests.app.overviews import mixed
from tests.app.pages_made import DATABASE, pages_app
from tests.app.still import screen_text, still_app
from tests.waiting import until

SIZE = (120, 40)


def audited(view: AuditView | None = None) -> Overview:
    """The overview with hosts of all kinds, whose hosts were audited."""
    return replace(mixed(), audit=result(PASSWORDS, FIREWALL, ACCEPTED) if view is None else view)


async def opened(app: LilFoxApp, pilot: Pilot[None], kind: str, name: str) -> str:
    app.metrics.open_page((kind, name))
    await pilot.pause()
    return screen_text(pilot)


async def act(app: LilFoxApp, pilot: Pilot[None], name: str) -> None:
    """Runs the action of that id as the palette does."""
    app.do(next(each for each in app.navigation.actions if each.id == name))
    await pilot.pause()


async def test_home_counts_what_nobody_accepts_below_what_is_wrong_now() -> None:
    app = still_app(audited())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        lines = [line for line in screen_text(pilot).splitlines() if "1 high, 1 medium" in line]
        assert len(lines) == 1
        assert "audit" in lines[0]
        assert app.metrics.state.problems(app.metrics.state.overview or audited())[-1] == ("audit", "")
    for view in (AuditView(), result(ACCEPTED), AuditView(running=True)):
        app = still_app(audited(view))
        async with app.run_test(size=SIZE) as pilot:
            await pilot.pause()
            assert ("audit", "") not in app.metrics.state.order()


async def test_what_could_not_be_stored_stands_below_the_row() -> None:
    problem = LilFoxError(Message("/state/audit: disk full"))
    app = still_app(audited(result(PASSWORDS, problems=(problem,))))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.metrics.state.choose(("audit", ""), in_problems=True)
        app.metrics.repaint()
        await pilot.pause()
        assert "/state/audit: disk full" in screen_text(pilot)


async def test_enter_on_the_row_lists_all_and_opens_one_and_esc_goes_back() -> None:
    app = still_app(audited())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.metrics.state.choose(("audit", ""), in_problems=True)
        app.metrics.repaint()
        await pilot.pause()
        assert "enter lists the findings" in screen_text(pilot)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Chooser))
        await pilot.pause()
        text = screen_text(pilot)
        for said in ("host db-1", "sshd accepts passwords", "host web-1: accepted", "Could not check", "needs root"):
            assert said in text, text
        await pilot.press("enter")
        await until(lambda: app.metrics.state.page == ("finding", PASSWORDS.key))
        await pilot.press("escape")
        await until(lambda: app.metrics.state.page is None)
        assert app.metrics.state.selected == ("audit", "")


@pytest.mark.parametrize("size", [(200, 55), SIZE, (80, 24), (40, 10)])
@pytest.mark.parametrize("language", ["en", "zh_CN"])
async def test_the_page_of_a_finding(size: tuple[int, int], language: str) -> None:
    app = still_app(audited(), language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        text = await opened(app, pilot, "finding", PASSWORDS.key)
        assert "ssh-password-auth" in text
        if size[1] < 40:
            return
        for said in (PASSWORDS.evidence, PASSWORDS.file, "PasswordAuthentication no", "$ sshd -t", PASSWORDS.reference):
            assert said in text, text


async def test_the_page_of_a_host_has_its_findings_and_enter_opens_them() -> None:
    app = still_app(audited())
    async with app.run_test(size=(160, 80)) as pilot:
        await pilot.pause()
        text = await opened(app, pilot, "host", "db-1")
        assert "Findings" in text
        assert "sshd accepts passwords" in text
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Chooser))
        await pilot.pause()
        assert "Findings on db-1" in screen_text(pilot)
        await pilot.press("down", "enter")
        await until(lambda: app.metrics.state.page == ("finding", FIREWALL.key))
        await pilot.press("escape")
        await until(lambda: app.metrics.state.page == ("host", "db-1"))
        await pilot.press("escape")
        await until(lambda: app.metrics.state.page is None)


async def test_one_finding_of_a_backend_is_opened_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    app = pages_app(monkeypatch, ill=False)
    kind, name = DATABASE
    before = app.monitor.overview.value
    assert before is not None
    view = result(replace(DURABILITY, target=name), PASSWORDS)
    app.monitor.overview.publish(replace(before, audit=view), before.at)
    async with app.run_test(size=(160, 80)) as pilot:
        await pilot.pause()
        text = await opened(app, pilot, kind, name)
        assert "postgresql-durability" in text
        await pilot.press("enter")
        await until(lambda: app.metrics.state.page == ("finding", DURABILITY.key))


async def test_y_copies_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    app = still_app(audited())
    copied: list[str] = []
    monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await opened(app, pilot, "finding", PASSWORDS.key)
        await pilot.press("y")
        await until(lambda: copied)
        assert copied == ["PasswordAuthentication no"]
        await opened(app, pilot, "finding", FIREWALL.key)
        await pilot.press("y")
        await until(lambda: "no lines or commands" in screen_text(pilot))


async def test_a_finding_is_accepted_with_a_reason_and_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    app = still_app(audited())
    accepted: list[tuple[str, ...]] = []

    async def accept(_watch: AuditWatch, *what: str) -> None:
        accepted.append(what)

    monkeypatch.setattr(AuditWatch, "accept", accept)
    async with app.run_test(size=SIZE) as pilot:
        await app.monitor.audit._loaded()  # it checks what is typed
        await pilot.pause()
        await opened(app, pilot, "finding", PASSWORDS.key)
        await act(app, pilot, "accept-finding")
        await until(lambda: isinstance(app.screen, Prompt) and app.screen.is_whole)
        await pilot.press("enter")
        await until(lambda: "the reason is missing" in screen_text(pilot))
        await pilot.press(*"known", "enter")
        await until(lambda: "until the end of which day" in screen_text(pilot))
        await pilot.press("down", "enter")
        await until(lambda: accepted)
        (key, why, day) = accepted[0]
        assert (key, why) == (PASSWORDS.key, "known")
        assert 85 < (datetime.fromisoformat(day).replace(tzinfo=UTC) - datetime.now(UTC)).days <= 90


async def test_what_cannot_be_accepted_says_why() -> None:
    by_config = replace(ACCEPTED, by_config=True)
    for each, read_only, said in (
        (PASSWORDS, True, "read_only mode"),
        (by_config, False, "the configuration accepts it"),
    ):
        app = still_app(audited(result(each)), read_only=read_only)
        async with app.run_test(size=SIZE) as pilot:
            await pilot.pause()
            await opened(app, pilot, "finding", each.key)
            await act(app, pilot, "accept-finding")
            assert said in screen_text(pilot)


async def test_the_palette_runs_the_audit_and_tells_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    app = still_app(mixed())
    begun, ends = asyncio.Event(), asyncio.Event()

    async def run_now(_watch: AuditWatch, *_rest: Any) -> AuditView:
        begun.set()
        await ends.wait()
        return result(PASSWORDS)

    monkeypatch.setattr(AuditWatch, "run_now", run_now)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await act(app, pilot, "findings")
        assert "has not run yet" in screen_text(pilot)
        await act(app, pilot, "audit")
        await begun.wait()
        await until(lambda: "the audit is running" in screen_text(pilot))
        ends.set()
        await until(lambda: "audit: 1 high" in screen_text(pilot))
        assert ":findings lists them" in screen_text(pilot)


async def test_a_finding_that_is_gone_and_one_of_the_past_say_so() -> None:
    app = still_app(audited())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        assert "is gone" in await opened(app, pilot, "finding", "nosuch")
        await opened(app, pilot, "finding", PASSWORDS.key)
        app.navigation.rewind(app.monitor.overview.value.at if app.monitor.overview.value else None)
        await until(lambda: "not recorded for the past" in screen_text(pilot))


async def test_the_page_of_a_service_has_its_findings_and_enter_opens_them() -> None:
    name = next(iter(mixed().services))
    cookies = finding("cookie-attributes", "high", name, kind="service", subject="session")
    app = still_app(audited(result(cookies, PASSWORDS)))
    async with app.run_test(size=(160, 80)) as pilot:
        await pilot.pause()
        text = await opened(app, pilot, "service", name)
        assert "Findings" in text
        assert "the title of cookie-attributes" in text
        assert "sshd accepts passwords" not in text
        await pilot.press("enter")
        await until(lambda: app.metrics.state.page == ("finding", cookies.key))


async def test_the_page_of_a_finding_says_when_and_where_else_and_enter_lists_these() -> None:
    other = replace(PASSWORDS, key="other", target="web-2")
    app = still_app(audited(result(PASSWORDS, other, FIREWALL)))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        text = await opened(app, pilot, "finding", PASSWORDS.key)
        assert "first seen 2026-03-27 03:12 UTC, 2 d ago; last checked 2 min ago" in text
        assert "Also found" in text
        assert "host web-2  PasswordAuthentication" in text
        assert "Also on db-1" in text
        assert "the title of firewall" in text
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Chooser))
        await pilot.pause()
        text = screen_text(pilot)
        assert "Findings: ssh-password-auth" in text
        assert "host web-2" in text
        await pilot.press("down", "enter")
        await until(lambda: app.metrics.state.page == ("finding", "other"))
        await pilot.press("escape")
        await until(lambda: app.metrics.state.page is None, what="the tables, and not the finding before")


async def test_a_accepts_first(monkeypatch: pytest.MonkeyPatch) -> None:
    app = still_app(audited())
    async with app.run_test(size=SIZE) as pilot:
        await app.monitor.audit._loaded()
        await pilot.pause()
        await opened(app, pilot, "finding", PASSWORDS.key)
        await pilot.press("a")
        await until(lambda: isinstance(app.screen, Chooser))
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Prompt))
        await pilot.pause()
        assert "Accept the finding: why?" in screen_text(pilot)


BOOK = b"""---
lilfox:
  version: 1
  id: passwords
  on_alert: [ssh-password-auth]
---

# Turn passwords off

1. Check the file

   ```bash
   sshd -t
   ```
"""


async def test_r_opens_the_runbook_that_names_the_check() -> None:
    app = still_app(audited())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await opened(app, pilot, "finding", FIREWALL.key)
        await act(app, pilot, "runbook")
        assert "no runbook names firewall under on_alert" in screen_text(pilot)
        app.monitor.runbooks.feed.publish(RunbooksView(documents=(parse(BOOK, "/srv/runbooks/ssh.md"),)))
        text = await opened(app, pilot, "finding", PASSWORDS.key)
        assert "   r runbook  Turn passwords off" in text
        await pilot.press("r")
        await until(lambda: "Check the file" in screen_text(pilot), what="the runbook")
