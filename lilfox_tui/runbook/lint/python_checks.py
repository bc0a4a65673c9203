"""Hazards of Python that a manual carries: health checks, alerts by mail, what reads logs."""

from __future__ import annotations

from collections.abc import Iterator

from lilfox_tui.i18n import _
from lilfox_tui.runbook.lint.source import Source, hazard
from lilfox_tui.runbook.model import Problem


def check(source: Source) -> Iterator[Problem]:
    """What is to be said of one fence."""
    if source.fence.language not in ("python", "py", "python3"):
        return
    for line, _found in source.each(r"\.starttls\(\s*\)"):
        yield hazard(
            line,
            "starttls-unverified",
            _("checks no certificate: whoever is between reads the password; context=ssl.create_default_context()"),
        )
    for line, _found in source.each(r"^except\s*:"):
        yield hazard(line, "bare-except", _("hides every fault, its own too; name what is expected, say the rest"))
    if (line := source.first(r"\.(?:send_message|sendmail)\(")) and not source.has(r"open\(|sqlite|redis|state|last_"):
        yield hazard(
            line,
            "mails-each-time",
            _("sends a mail each time that it is called; keep what was told, and tell when it ends"),
        )
    mails = source.has(r"send_message|sendmail") and source.has(r"requests\.get|urlopen|httpx")
    if mails and (line := source.first(r"https?://(?:localhost|127\.0\.0\.1)")):
        yield hazard(
            line,
            "only-this-host",
            _("looks from the host itself: when that is gone nobody says so; look from elsewhere"),
        )
    for line, _found in source.each(r"datetime\.(?:utcnow\(\)|now\(\))"):
        yield hazard(line, "naive-time", _("a time without its zone; datetime.now(timezone.utc)"))
    for line, found in source.each(r"open\(\s*[\"'](?!/)(\w[\w.-]*)/[^\"']*[\"']\s*,\s*[\"'][aw]"):
        if not source.has(r"mkdir|makedirs"):
            yield hazard(
                line,
                "log-folder-missing",
                _("{path} may not be there: nothing is then logged; install -d {path}", path=f"{found[1]}/"),
            )
