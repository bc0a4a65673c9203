"""Scrape targets, and the relabelling that determines their labels."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from msgspec import Struct

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.hosts.http import Tls
from lilfox_tui.metrics.model import Labels
from lilfox_tui.scrape.exposition import BadPage, Malformed, lines_of
from lilfox_tui.scrape.labels import LABEL_NAME, NAME, LabelSet, anchored_pattern, expand_groups

# Relabelling: rules that change, choose or drop label sets, as Prometheus has them (its model/relabel/relabel.go).
#
# https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config


Action = Literal[
    "replace", "keep", "drop", "keepequal", "dropequal", "hashmod", "labelmap", "labeldrop", "labelkeep",
    "lowercase", "uppercase",
]  # fmt: skip
ACTIONS: tuple[Action, ...] = get_args(Action)
_ANYTHING = "(.*)"
_WHOLE = "$1"
_TARGET = re.compile(r"(?:[a-zA-Z_]|\$(?:\{\w++\}|\w++))(?:\w|\$(?:\{\w++\}|\w++))*+", re.ASCII)


class RelabelRule(Struct, frozen=True):
    """One relabelling rule; the fields are those of Prometheus."""

    action: Action = "replace"
    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: str = _ANYTHING
    modulus: int = 0
    target_label: str = ""
    replacement: str = _WHOLE

    def check(self) -> None:
        """Raise LilFoxError, with the reason, if Prometheus would reject the rule."""
        anchored_pattern(self.regex)
        if self.action == "hashmod" and not self.modulus:
            raise LilFoxError(tr("hashmod needs a modulus"))
        if self.action in _WITH_TARGET and not self.target_label:
            raise LilFoxError(tr("{action} needs a target_label", action=self.action))
        if self.action in _WITH_TARGET:
            fits = _TARGET if self.action == "replace" else LABEL_NAME
            if not fits.fullmatch(self.target_label):
                raise LilFoxError(tr("{name} is not a valid label name", name=self.target_label))
        if self.action == "labelmap" and not _TARGET.fullmatch(self.replacement):
            raise LilFoxError(tr("{name} is not a valid label name", name=self.replacement))
        allowed = _ONLY.get(self.action)
        if allowed is not None and any(
            getattr(self, name) != getattr(RelabelRule(), name)
            for name in self.__struct_fields__
            if name not in ("action", *allowed)
        ):
            raise LilFoxError(tr("{action} takes only {fields}", action=self.action, fields=listed(allowed)))


_WITH_TARGET = frozenset({"replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal"})
_ONLY: dict[str, tuple[str, ...]] = {
    "labeldrop": ("regex",),
    "labelkeep": ("regex",),
    "keepequal": ("source_labels", "target_label"),
    "dropequal": ("source_labels", "target_label"),
}


def relabelled(rules: Sequence[RelabelRule], labels: dict[str, str]) -> dict[str, str] | None:
    """Apply all rules to ``labels`` in order; return None if one of them drops the set. Changes ``labels`` itself."""
    for rule in rules:
        if not _apply(rule, labels):
            return None
    return labels


def _apply(rule: RelabelRule, labels: dict[str, str]) -> bool:
    """Apply one rule, which may change ``labels``; return whether they are kept."""
    if rule.action in ("labelmap", "labeldrop", "labelkeep"):
        _by_name(rule, labels)
        return True
    value = rule.separator.join(labels.get(name, "") for name in rule.source_labels)
    if rule.action == "keepequal":
        return labels.get(rule.target_label, "") == value
    if rule.action == "dropequal":
        return labels.get(rule.target_label, "") != value
    if rule.action == "lowercase":
        _set(labels, rule.target_label, value.lower())
    elif rule.action == "uppercase":
        _set(labels, rule.target_label, value.upper())
    elif rule.action == "hashmod":
        digest = hashlib.md5(value.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
        _set(labels, rule.target_label, str(int.from_bytes(digest[8:], "big") % rule.modulus))
    else:
        return _by_value(rule, labels, value)
    return True


def _by_value(rule: RelabelRule, labels: dict[str, str], value: str) -> bool:
    match = anchored_pattern(rule.regex).fullmatch(value)
    if rule.action == "keep":
        return match is not None
    if rule.action == "drop":
        return match is None
    if match is not None:
        target = expand_groups(rule.target_label, match)
        if LABEL_NAME.fullmatch(target):
            _set(labels, target, expand_groups(rule.replacement, match))
    return True


def _by_name(rule: RelabelRule, labels: dict[str, str]) -> None:
    pattern = anchored_pattern(rule.regex)
    for name, value in list(labels.items()):
        match = pattern.fullmatch(name)
        if rule.action == "labelmap" and match is not None:
            _set(labels, expand_groups(rule.replacement, match), value)
        elif (rule.action == "labeldrop" and match is not None) or (rule.action == "labelkeep" and match is None):
            del labels[name]


def _set(labels: dict[str, str], name: str, value: str) -> None:
    if value:
        labels[name] = value
    else:
        labels.pop(name, None)


BODY_LIMIT = 32 * 1024 * 1024
SAMPLE_LIMIT = 100_000
"""What is taken of a target that is given no limits of its own: more would hold up everything else here."""


# What of the text before a value may not be part of the labels' text: an empty label, a number (``le`` or ``quantile``)
# that may be written shorter, what stands between labels, and all but one byte of a character.
_EMPTY_LABEL = re.compile(rb'(?<!\w)\w++=""')
_NUMBER_LABEL = re.compile(rb'le="[^"]*+"')
_NOT_COUNTED = b'{}=",\\ \t\n' + bytes(range(0x80, 0xC0))
_ODD = (b'"=', b" =", b"\t=", b"= ", b"=\t")
_NUMBERS = b"0123456789+-. eEInfNa"


class PlainSecret(str):
    """A secret in plain text from another program's file. Never shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "PlainSecret(…)"


class ScrapeLimits(Struct, frozen=True):
    """Limits above which a scrape fails as a whole. 0 means no limit; bodies are counted decompressed."""

    body_bytes: int = BODY_LIMIT
    samples: int = SAMPLE_LIMIT
    labels: int = 0
    label_name_length: int = 0
    label_value_length: int = 0


class ScrapeAccess(Struct, frozen=True):
    """How to send requests to the server. Values of ``headers`` and ``password`` are texts or references to secrets."""

    headers: Mapping[str, str] = {}
    user: str | None = None
    password: str = ""
    bearer: str = ""
    """Sent as ``Authorization: BEARER_TYPE …``."""
    bearer_type: str = "Bearer"
    tls: Tls = Tls()


class ScrapeTarget(Struct, frozen=True):
    """One target. ``labels`` (including ``job`` and ``instance``) are added to each of its series; ``url`` includes
    path and query; ``host`` names the host that sends the requests, None for this machine."""

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
        """The target's key in the store; two targets with one key are the same."""
        return f"{self.host or ''} {self.url} {LabelSet(self.labels)}"

    def label(self, name: str) -> str:
        """Return the value of one of its labels, empty if it is missing."""
        return next((value for key, value in self.labels if key == name), "")

    def own(self, name: str) -> LabelSet:
        """Return the labels of a series about the scrape itself, such as ``up``."""
        return LabelSet.of({**dict(self.labels), NAME: name})

    def series(self, exposed: Mapping[str, str]) -> LabelSet | None:
        """Return the series of a sample with these labels on the page; None if relabelling drops it. Raises Malformed
        beyond the limits."""
        labels = relabelled(self.metric_relabel, self._with_own(exposed)) if self.metric_relabel else (
            self._with_own(exposed)
        )  # fmt: skip
        if labels is None:
            return None
        made = LabelSet.of(labels)
        if not made.pairs:
            return None
        if not made.get(NAME):
            raise Malformed(tr("relabelling removes the metric name"))
        self._check(made)
        return made

    def least_text(self, lines: Sequence[bytes]) -> tuple[int, int]:
        """Return how many series a page has at least, and how many characters their labels have at least, without
        parsing its lines; not for a target with ``metric_relabel``. A series that is written in two ways is counted
        twice. Both are 0 if samples have timestamps, or labels are written as hardly any exporter writes them."""
        series = set()
        for line in lines:
            sample = line
            if not line or b"#" in line:
                sample = line.lstrip().partition(b" # ")[0]  # after that comes an exemplar
                if not sample or sample[:1] == b"#":
                    continue
            labels, brace, rest = sample.rpartition(b"}")
            words = rest.split()
            if len(words) > (1 if brace else 2) and self.honor_timestamps:
                return 0, 0
            if brace or words:
                series.add(labels if brace else words[0])
        text = b"\n".join(series)
        if any(odd in text for odd in _ODD):
            return 0, 0
        name = len(NAME)
        own = 0 if self.honor_labels else sum(len(name) + len(value) for name, value in self.labels if value)
        each = (own + name) * len(series) - name * text.count(NAME.encode())
        if b'=""' in text:
            text = _EMPTY_LABEL.sub(b"", text)
        numbers = sum(map(len, _NUMBER_LABEL.findall(text)))
        return len(series), each + len(text.translate(None, _NOT_COUNTED)) - numbers

    def _with_own(self, exposed: Mapping[str, str]) -> dict[str, str]:
        """Merge the labels of page and target: where both have one, the target's is used and the page's is renamed to
        ``exported_…``; with ``honor_labels`` the page's is used, even if it is empty."""
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
            raise Malformed(
                tr("it has {count} labels; the limit is {limit}", count=len(made.pairs), limit=limits.labels)
            )
        for name, value in made.pairs:
            if 0 < limits.label_name_length < len(name.encode()):
                raise Malformed(tr("the name of label {name} is longer than {limit} bytes",
                                   name=name[:50], limit=limits.label_name_length))  # fmt: skip
            if 0 < limits.label_value_length < len(value.encode()):
                raise Malformed(tr("the value of label {name} is longer than {limit} bytes",
                                   name=name[:50], limit=limits.label_value_length))  # fmt: skip


# A page that is refused for its series comes back with each scrape, with the same series. Where relabelling drops some,
# only parsing could refuse it, in seconds.


class NoRoom(BadPage):
    """There is no memory for the series of a page, which need ``needed_bytes``."""

    def __init__(self, message: Message, hint: Message, *, samples: int, kept: int, needed_bytes: int) -> None:
        super().__init__(message, hint, samples=samples, kept=kept)
        self.needed_bytes = needed_bytes


class RefusedPage(NamedTuple):
    """The last page that was refused for its series. ``needed_bytes`` is the memory with which it would be taken."""

    series: tuple[int, bool]
    needed_bytes: float
    error: BadPage

    @classmethod
    def of(cls, target: ScrapeTarget, body: bytes, error: BadPage, *, openmetrics: bool) -> RefusedPage | None:
        """Return what is to be remembered of a page that failed with ``error``; None if its series were not why, or if
        their number alone tells that without parsing."""
        needed: float = error.needed_bytes if isinstance(error, NoRoom) else 0
        if target.metric_relabel and 0 < target.limits.samples < error.kept:
            needed = math.inf
        series = series_hash(lines_of(body)) if needed else None
        return None if series is None else cls((series, openmetrics), needed, error)

    def check(self, body: bytes, room: int, *, openmetrics: bool) -> None:
        """Raise the error again for a page with the same series, if they do not fit into ``room`` (bytes) now."""
        if self.needed_bytes > room and (series_hash(lines_of(body)), openmetrics) == self.series:
            raise self.error


def series_hash(lines: Sequence[bytes]) -> int | None:
    """Return a hash of a page without its values: pages with the same one have the same series. None if that cannot be
    told without parsing, such as of a quoted value that spans lines."""
    keys: list[bytes] = []
    values: list[bytes] = []
    for line in lines:
        if b"#" in line:
            keys.append(line)
            continue
        key, _space, value = line.rpartition(b" ")
        quoted = key.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in key else key
        if quoted.count(b'"') % 2:
            return None
        keys.append(key)
        values.append(value)
    return None if b" ".join(values).translate(None, _NUMBERS) else hash(tuple(keys))
