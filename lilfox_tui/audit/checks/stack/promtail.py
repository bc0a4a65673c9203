"""Promtail, which gets no more fixes."""

from __future__ import annotations

from collections.abc import Iterator

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix
from lilfox_tui.audit.targets.hosts import Printed
from lilfox_tui.core.i18n import listed, tr

_PROMTAIL = r"""
for file in /proc/[0-9]*/comm; do
    read -r name <"$file" || continue
    [ "$name" = promtail ] && { echo process; break; }
done
if command -v systemctl >/dev/null; then
    [ "$(systemctl is-enabled promtail.service)" = enabled ] && echo promtail.service
fi
exit 0
"""


def parse_promtail(printed: Printed) -> tuple[str, ...]:
    """Where it was found: a process, an enabled unit."""
    return tuple(printed.lines())


PROMTAIL = Fact("promtail", _PROMTAIL, parse_promtail)


def judge_promtail(facts: Facts) -> Iterator[AuditFinding]:
    """Promtail runs, or will run after a restart."""
    where = facts[PROMTAIL]
    if not where:
        raise Absent
    yield AuditFinding(
        "promtail",
        tr("found: {names}", names=listed(where)),
        Fix(
            tr("Set up Grafana Alloy (lilfox export alloy, or alloy convert), then stop Promtail."),
            commands=("systemctl disable --now promtail",),
        ),
    )


CHECKS = (
    AuditCheck(
        "promtail-end-of-life",
        AuditSeverity.MEDIUM,
        tr("Promtail is in use, although it reached its end of life on 2 March 2026"),
        tr("It gets no more fixes, not even for security. Grafana Alloy replaces it."),
        (PROMTAIL,),
        judge_promtail,
        "https://grafana.com/docs/loki/latest/send-data/promtail/",
    ),
)
