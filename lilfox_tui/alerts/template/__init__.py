"""Alert texts with ``{{ … }}``: the part of Go's text/template that Prometheus' alerts use.

What a text gives is what Prometheus gives, errors included. Unlike there, one expansion is bounded in steps,
depth and length: a text comes from a file, what it is filled with from the hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from lilfox_tui.alerts.template.evaluate import expand
from lilfox_tui.alerts.template.functions import NAMES, functions
from lilfox_tui.alerts.template.parser import Trees, parse
from lilfox_tui.alerts.template.values import ExpansionFailed, TemplateError, Top
from lilfox_tui.core.text import encodable

if TYPE_CHECKING:
    from lilfox_tui.promql.value import Vector

__all__ = ["Scope", "Template", "TemplateError", "compiled"]

_BEFORE = (
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"
)


class Scope(Struct, frozen=True):
    """The data for expanding a template. ``labels`` are those of the result, including ``__name__`` if it has one.

    ``external_url`` is this program's own address; None where it has none, then asking for it is an error.
    ``query`` answers a query at the time of the evaluation, which is ``now_s``; it raises LilFoxError.
    """

    labels: Mapping[str, str]
    value: float
    query: Callable[[str], Vector]
    external_labels: Mapping[str, str] = {}
    external_url: str | None = None
    now_s: float = 0.0
    knows_own_url: bool = True
    """False: ``externalURL`` and ``pathPrefix`` are errors, and ``$externalURL`` alone is ``external_url``, as in
    Prometheus' tests of rules."""


class Template:
    """A parsed template. ``alert`` is the name of its alert, which appears in Prometheus' errors."""

    def __init__(self, text: str, alert: str = "") -> None:
        """Parse ``text``. Raises TemplateError with Go's message if it is not a template or calls an unknown
        function."""
        self.text = text
        self.name = f"__alert_{alert}"
        self._trees: Trees | None = None
        if "{{" in text:
            self._trees = parse(self.name, _BEFORE + text, NAMES)

    def expand(self, scope: Scope) -> str:
        """Return the expanded text, or ``<error expanding template: …>`` if that fails; the alert is not affected."""
        if self._trees is None:
            return self.text
        top = Top(scope.labels, scope.external_labels, scope.external_url or "", scope.value)
        try:
            own_url = scope.external_url if scope.knows_own_url else None
            filled = expand(
                self.name, _BEFORE + self.text, self._trees, functions(scope.query, own_url, scope.now_s), top
            )
            return encodable(filled)  # half a character that was cut off; Go's JSON has U+FFFD there too
        except ExpansionFailed as error:
            return encodable(f"<error expanding template: error executing template {self.name}: {error}>")


@lru_cache(maxsize=16384)
def compiled(text: str, alert: str = "") -> Template:
    """Return a :class:`Template`, parsed once for all evaluations. Raises TemplateError."""
    return Template(text, alert)
