"""Labels of a target's series, and its limits on them."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.scrape.exposition import BadPage, Exposition, Malformed, lines_of
from lilfox_tui.scrape.labels import LabelSet
from lilfox_tui.scrape.target import (
    PlainSecret,
    RelabelRule,
    ScrapeAccess,
    ScrapeLimits,
    ScrapeTarget,
    relabelled,
    series_hash,
)

OWN = (("instance", "i:1"), ("job", "j"))


def series(exposed: dict[str, str], **keys: object) -> str:
    made = ScrapeTarget("http://i:1/metrics", OWN, **keys).series({"__name__": "m", **exposed})  # type: ignore[arg-type]
    return str(made)


def test_puts_its_labels_on_every_series() -> None:
    assert series({"a": "b"}) == 'm{a="b", instance="i:1", job="j"}'


def test_renames_labels_of_the_page_that_it_has_itself() -> None:
    shown = series({"job": "x", "exported_job": "y", "instance": ""})
    assert shown == 'm{exported_exported_job="x", exported_job="y", instance="i:1", job="j"}'


def test_moves_the_shorter_name_first_as_prometheus_does() -> None:
    own = (*OWN, ("exported_job", "own"))
    made = ScrapeTarget("http://i:1/metrics", own).series({"__name__": "m", "job": "x", "exported_job": "y"})
    assert made is not None
    assert (made.get("exported_exported_job"), made.get("exported_exported_exported_job")) == ("x", "y")


def test_honours_labels_of_the_page_also_empty_ones() -> None:
    assert series({"job": "x", "instance": ""}, honor_labels=True) == 'm{job="x"}'
    assert series({"job": "x"}, honor_labels=True) == 'm{instance="i:1", job="x"}'


def test_relabels_after_its_own_labels_are_there() -> None:
    keep = RelabelRule("keep", source_labels=("job", "__name__"), regex="j;m")
    assert series({}, metric_relabel=(keep,)) == 'm{instance="i:1", job="j"}'
    assert series({}, metric_relabel=(RelabelRule("drop", source_labels=("job",), regex="j"),)) == "None"
    assert series({}, metric_relabel=(RelabelRule("labeldrop", regex=".*"),)) == "None"
    with pytest.raises(Malformed):
        series({}, metric_relabel=(RelabelRule("labeldrop", regex="__name__"),))


@pytest.mark.parametrize(
    ("limits", "fits"),
    [
        (ScrapeLimits(labels=4), True),
        (ScrapeLimits(labels=3), False),
        (ScrapeLimits(label_name_length=8), True),
        (ScrapeLimits(label_name_length=7), False),
        (ScrapeLimits(label_value_length=3), True),
        (ScrapeLimits(label_value_length=2), False),
    ],
)
def test_refuses_labels_past_its_limits(limits: ScrapeLimits, fits: bool) -> None:
    if fits:
        series({"a": "b"}, limits=limits)
    else:
        with pytest.raises(Malformed):
            series({"a": "b"}, limits=limits)


@pytest.mark.parametrize(
    ("label", "limits"),
    [({"é" * 5: "b"}, ScrapeLimits(label_name_length=8)), ({"a": "éé"}, ScrapeLimits(label_value_length=3))],
)
def test_limits_count_bytes(label: dict[str, str], limits: ScrapeLimits) -> None:
    with pytest.raises(Malformed):
        series(label, limits=limits)


def test_never_shows_a_secret() -> None:
    access = ScrapeAccess(user="u", password=PlainSecret("hunter2"), bearer=PlainSecret("hunter2"))
    assert "hunter2" not in repr(ScrapeTarget("http://i:1/metrics", OWN, access=access))


# Relabelling rules: each action, and what Prometheus refuses.


LABELS = {"__name__": "m", "a": "foo", "b": "bar", "c": "baz", "empty_b": "bar"}


def _replace(sources: tuple[str, ...], regex: str, target: str, replacement: str) -> RelabelRule:
    return RelabelRule(source_labels=sources, regex=regex, target_label=target, replacement=replacement)


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        (_replace(("a",), "f(.*)", "d", "ch${1}-ch$1"), {"d": "choo-choo"}),
        (_replace(("a", "b"), "f(.*);(.*)r", "a", "b${1}${2}m"), {"a": "boobam"}),
        (_replace(("a",), "f(o)o", "d", "$1x|"), {"d": "|"}),
        (_replace(("a",), "(?P<x>f)oo", "d", "$x$$ $nosuch.$9"), {"d": "f$ ."}),
        (_replace(("a",), "f(o)o", "d", "<$01$²>"), {"d": "<>"}),  # a number does not begin with 0, nor is ² one
        (RelabelRule(source_labels=("a",), regex="no", target_label="a", replacement="x"), {}),
        (RelabelRule(source_labels=("a",), regex="fo", target_label="a", replacement="x"), {}),
        (RelabelRule(target_label="d", replacement="fixed"), {"d": "fixed"}),
        (RelabelRule(source_labels=("nosuch",), target_label="a"), {"a": None}),
        (RelabelRule(source_labels=("a",), regex="(f).*", target_label="x_$1", replacement="y"), {"x_f": "y"}),
        (RelabelRule(source_labels=("a",), target_label="${1}-bad"), {}),
        (RelabelRule(source_labels=("a", "b"), separator="", target_label="d"), {"d": "foobar"}),
        (RelabelRule("labelmap", regex="(b|c)", replacement="new_$1"), {"new_b": "bar", "new_c": "baz"}),
        (RelabelRule("labeldrop", regex="b|c"), {"b": None, "c": None}),
        (RelabelRule("labelkeep", regex="__name__|a"), {"b": None, "c": None, "empty_b": None}),
        (RelabelRule("lowercase", source_labels=("a",), target_label="d"), {"d": "foo"}),
        (RelabelRule("uppercase", source_labels=("a",), target_label="d"), {"d": "FOO"}),
        (RelabelRule("hashmod", source_labels=("c",), separator=";", modulus=1000, target_label="d"), {"d": "976"}),
    ],
)  # fmt: skip
def test_changes_labels(rule: RelabelRule, changed: dict[str, str | None]) -> None:
    if "-bad" not in rule.target_label:
        rule.check()
    expected = {**LABELS, **{name: value for name, value in changed.items() if value is not None}}
    for name, value in changed.items():
        if value is None:
            del expected[name]
    assert relabelled([rule], dict(LABELS)) == expected


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (RelabelRule("keep", source_labels=("a",), regex="f.*"), True),
        (RelabelRule("keep", source_labels=("a",), regex="f"), False),
        (RelabelRule("drop", source_labels=("a",), regex="f.*"), False),
        (RelabelRule("drop", source_labels=("a",), regex="o"), True),
        (RelabelRule("keepequal", source_labels=("b",), target_label="empty_b"), True),
        (RelabelRule("keepequal", source_labels=("b",), target_label="a"), False),
        (RelabelRule("dropequal", source_labels=("b",), target_label="empty_b"), False),
        (RelabelRule("dropequal", source_labels=("b",), target_label="a"), True),
    ],
)
def test_chooses_label_sets(rule: RelabelRule, kept: bool) -> None:
    rule.check()
    assert (relabelled([rule], dict(LABELS)) is not None) is kept


def test_applies_rules_in_their_order_and_stops_at_a_drop() -> None:
    labels = {"a": "foo"}
    rules = [
        RelabelRule(target_label="b", replacement="x"),
        RelabelRule("drop", source_labels=("b",), regex="x"),
        RelabelRule(target_label="c", replacement="y"),
    ]
    assert relabelled(rules, labels) is None
    assert "c" not in labels


@pytest.mark.parametrize(
    "rule",
    [
        RelabelRule(regex="("),
        RelabelRule(),
        RelabelRule("hashmod", target_label="d"),
        RelabelRule("lowercase", source_labels=("a",)),
        RelabelRule("uppercase", source_labels=("a",), target_label="${1}"),
        RelabelRule(target_label="a-b"),
        RelabelRule("labelmap", replacement="-"),
        RelabelRule("labeldrop", source_labels=("a",), regex="b"),
        RelabelRule("labelkeep", regex="b", target_label="c"),
        RelabelRule("keepequal", source_labels=("a",), target_label="b", regex="x"),
        RelabelRule("dropequal", source_labels=("a",)),
    ],
)
def test_refuses_what_prometheus_refuses(rule: RelabelRule) -> None:
    with pytest.raises(LilFoxError):
        rule.check()


PIECES = st.sampled_from(
    [
        "a 1", "a{} 2", 'a{x="1"} 4', 'a{y="2",x="1"} 8', 'b { y = "2" , x="1" } 8', 'a{x=""} 1',
        r'a{x="",y="v=\"\""} 1', 'h_bucket{le="0.0050000"} 1', 'h_bucket{le="1000000",x="1"} 2',
        'h{quantile="0.990"} 3', 'a{title="1"} 1',
        '{"http.requests","a b"="c"} 1', '{"a=b",x=""} 1', '{__name__="up"} 1', 'a{job="x",instance=""} 1',
        'a{x="日本語"} 1', r'a{x="\n\\\""} 1', 'a{x="} # 1"} 1', 'a{x=" = ,"} 1', "# HELP a A = b.", "", " ",
        "# TYPE h histogram", "# TYPE h_bucket histogram", ' a{z="1"}\t1', "\tb\t2", "a 1 1000", 'a{t="1"} 1 1000',
        'a{x="#"} 1', 'a{xyz = ""} 1', '{"http.requests","a b"=""} 1', 'a{xyz="",x="1"} 1',
    ]
)  # fmt: skip
TARGETS = st.sampled_from(
    [
        ScrapeTarget("http://i:1/metrics", OWN),
        ScrapeTarget("http://i:1/metrics", OWN, honor_labels=True),
        ScrapeTarget("http://i:1/metrics", OWN, honor_timestamps=False),
        ScrapeTarget("http://i:1/metrics", (("job", ""), ("x", "own"))),
    ]
)


def text_of(target: ScrapeTarget, body: str) -> int:
    """How many characters the labels of the series of a page have. Raises BadPage."""
    parser = Exposition(target.series, honor_timestamps=target.honor_timestamps)
    page = parser.read(body.encode(), openmetrics=False)
    return sum(len(name) + len(value) for one in page.labels for name, value in one.pairs)


@settings(max_examples=600, deadline=None)
@given(TARGETS, st.lists(PIECES, max_size=8))
def test_never_finds_more_text_than_the_labels_have(target: ScrapeTarget, lines: list[str]) -> None:
    spelled: dict[str, int] = {}
    types = ""
    for line in lines:
        types += f"{line}\n" if line.startswith("# TYPE") else ""
        with suppress(BadPage):
            spelled.setdefault(line.lstrip().rpartition("}")[0] or line, text_of(target, types + line))
    series, text = target.least_text("\n".join(lines).encode().split(b"\n"))
    assert text <= sum(spelled.values())
    assert series <= len(spelled)


def test_finds_nearly_all_text_of_usual_labels() -> None:
    target = ScrapeTarget("http://i:1/metrics", OWN)
    body = "".join(f'http_requests_total{{method="GET",route="/api/v1/{n}",status="200"}} {n}\n' for n in range(50))
    assert target.least_text(body.encode().splitlines()) == (50, text_of(target, body))


LAST_NUMBER = re.compile(r"\d+(?=\D*$)")
SPLIT = st.sampled_from(['a{x="foo 1', '2"} 1', r'a{x="\" 1', '3\\"} 1', 'a{x="y 1"}5', "a NaN", "b +Inf", "a 1\t2"])


@settings(max_examples=600, deadline=None)
@given(st.lists(st.tuples(PIECES | SPLIT, st.booleans()), max_size=6))
def test_pages_with_the_same_hash_have_the_same_series(lines: list[tuple[str, bool]]) -> None:
    before = [line for line, _ in lines]
    after = [LAST_NUMBER.sub("7", line) if changed else line for line, changed in lines]
    hashes = [series_hash(lines_of("\n".join(page).encode())) for page in (before, after)]
    event("no hash" if None in hashes else "same" if hashes[0] == hashes[1] else "another")
    if hashes[0] is not None and hashes[0] == hashes[1]:
        assert series_in(before) == series_in(after)


def series_in(lines: list[str]) -> set[LabelSet] | None:
    """The series of a page; None if it is malformed."""
    try:
        return set(Exposition(LabelSet.of).read("\n".join(lines).encode(), openmetrics=False).labels)
    except BadPage:
        return None


def test_a_page_of_usual_lines_has_a_hash_that_its_values_do_not_change() -> None:
    pages = [f'# TYPE a counter\na{{x="\\"y\\\\",z="1 2"}} {value}\nb {value}' for value in ("1", "2.5e3", "NaN")]
    hashes = {series_hash(lines_of(page.encode())) for page in pages}
    assert len(hashes) == 1
    assert None not in hashes
