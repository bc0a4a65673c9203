"""What is scraped: an address, how it is asked, what its series are called, and how much of it is taken."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from lilfox_tui.hosts.http import Tls
from lilfox_tui.i18n import tr
from lilfox_tui.metrics.model import Labels
from lilfox_tui.scrape.labels import NAME, LabelSet
from lilfox_tui.scrape.relabel import RelabelRule, relabelled
from lilfox_tui.scrape.sample_line import Malformed

BODY_LIMIT = 32 * 1024 * 1024
SAMPLE_LIMIT = 100_000
"""What is taken of a target that is given no limits of its own: more would hold up everything else here."""


class PlainSecret(str):
    """A secret that another program's file holds as it is. Never shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "PlainSecret(…)"


class ScrapeLimits(Struct, frozen=True):
    """Past one of these a scrape fails whole. 0: not limited; bodies are counted unpacked."""

    body_bytes: int = BODY_LIMIT
    samples: int = SAMPLE_LIMIT
    labels: int = 0
    label_name_length: int = 0
    label_value_length: int = 0


class ScrapeAccess(Struct, frozen=True):
    """How the server is asked. Values of ``headers`` and ``password`` are texts or references to secrets."""

    headers: Mapping[str, str] = {}
    user: str | None = None
    password: str = ""
    bearer: str = ""
    """Sent as ``Authorization: BEARER_TYPE …``."""
    bearer_type: str = "Bearer"
    tls: Tls = Tls()


class ScrapeTarget(Struct, frozen=True):
    """One target. ``labels`` (``job`` and ``instance`` among them) come onto each of its series; ``url`` holds path and
    query; ``host`` names the host that asks, None is this machine."""

    url: str
    labels: Labels
    host: str | None = None
    interval_s: float = 15.0
    timeout_s: float = 10.0
    honor_labels: bool = False
    honor_timestamps: bool = True
    metric_relabel: tuple[RelabelRule, ...] = ()
    limits: ScrapeLimits = ScrapeLimits()
    access: ScrapeAccess = ScrapeAccess()

    @property
    def key(self) -> str:
        """What the store calls it; two targets of one key are one."""
        return f"{self.host or ''} {self.url} {LabelSet(self.labels)}"

    def label(self, name: str) -> str:
        """The value of one of its labels, empty where it is not there."""
        return next((value for key, value in self.labels if key == name), "")

    def own(self, name: str) -> LabelSet:
        """The labels of a series about the scrape itself, such as ``up``."""
        return LabelSet.of({**dict(self.labels), NAME: name})

    def series(self, exposed: Mapping[str, str]) -> LabelSet | None:
        """The series of a sample with these labels on the page; None where relabelling drops it. Raises Malformed past
        the limits."""
        labels = relabelled(self.metric_relabel, self._with_own(exposed)) if self.metric_relabel else (
            self._with_own(exposed)
        )  # fmt: skip
        if labels is None:
            return None
        made = LabelSet.of(labels)
        if not made.pairs:
            return None
        if not made.get(NAME):
            raise Malformed(tr("relabelling takes the name away"))
        self._check(made)
        return made

    def _with_own(self, exposed: Mapping[str, str]) -> dict[str, str]:
        """Labels of page and target together: where both have one, the target's is taken and the page's gets the name
        ``exported_…``; with ``honor_labels`` the page's is taken, also when it is empty."""
        own = dict(self.labels)
        if self.honor_labels:
            return {**{name: value for name, value in own.items() if name not in exposed}, **exposed}
        labels = {**exposed, **own}
        for name in sorted((name for name in own if exposed.get(name)), key=len):
            moved = f"exported_{name}"
            while labels.get(moved):
                moved = f"exported_{moved}"
            labels[moved] = exposed[name]
        return labels

    def _check(self, made: LabelSet) -> None:
        limits = self.limits
        if 0 < limits.labels < len(made.pairs):
            raise Malformed(tr("{count} labels, the limit is {limit}", count=len(made.pairs), limit=limits.labels))
        for name, value in made.pairs:
            if 0 < limits.label_name_length < len(name.encode()):
                raise Malformed(tr("the name of label {name} is longer than {limit} bytes",
                                   name=name[:50], limit=limits.label_name_length))  # fmt: skip
            if 0 < limits.label_value_length < len(value.encode()):
                raise Malformed(tr("the value of label {name} is longer than {limit} bytes",
                                   name=name[:50], limit=limits.label_value_length))  # fmt: skip
