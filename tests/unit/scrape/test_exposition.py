"""Pages of metrics: both formats, what each refuses, and that a quick second reading gives what the first one gave."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.scrape.exposition import BadPage, Exposition, Family, ScrapedPage, sample_count
from lilfox_tui.scrape.labels import LabelSet


def plain(labels: Mapping[str, str]) -> LabelSet | None:
    return LabelSet.of(labels)


def read(text: str | bytes, *, openmetrics: bool = False) -> dict[str, float]:
    body = text.encode() if isinstance(text, str) else text
    return shown(Exposition(plain).read(body, openmetrics=openmetrics))


def shown(page: ScrapedPage) -> dict[str, float]:
    return {str(labels): float(value) for labels, value in zip(page.labels, page.values, strict=True)}


def test_reads_the_text_format() -> None:
    page = r"""
# HELP http_requests_total All requests, \\ and \n in help.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027
http_requests_total { method = "post" , code = "400", } 3

# a comment, and # HELP
#
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9
	metric_without_labels	12.47
something_weird{problem="division by zero"} +Inf
empty{} -Inf
nothing{a=""} NaN
joined{a="b"}5
odd{a="}{ # 1 ,"} 1e-3"""
    assert str(read(page)) == str({
        'http_requests_total{code="200", method="post"}': 1027.0,
        'http_requests_total{code="400", method="post"}': 3.0,
        'msdos_file_access_time_seconds{error="Cannot find file:\\n\\"FILE.TXT\\"", path="C:\\\\DIR\\\\FILE.TXT"}':
            1458255915.0,
        "metric_without_labels": 12.47,
        'something_weird{problem="division by zero"}': math.inf,
        "empty": -math.inf,
        "nothing": math.nan,
        'joined{a="b"}': 5.0,
        'odd{a="}{ # 1 ,"}': 0.001,
    })  # fmt: skip


def test_reads_openmetrics_and_leaves_exemplars_out() -> None:
    page = """# TYPE http_request_seconds histogram
# UNIT http_request_seconds seconds
# HELP http_request_seconds How long.
http_request_seconds_bucket{le="0.5"} 3 # {trace_id="a # {b} 1"} 0.25 1520879607.789
http_request_seconds_bucket{le="1"} 4 # {} 0.7
http_request_seconds_bucket{le="+Inf"} 5
http_request_seconds_count 5
http_request_seconds_sum 2.5
http_request_seconds_created 1.520872607123e+09
# EOF
"""
    parser = Exposition(plain)
    for _time in range(3):
        assert shown(parser.read(page.encode(), openmetrics=True)) == {
            'http_request_seconds_bucket{le="0.5"}': 3,
            'http_request_seconds_bucket{le="1.0"}': 4,
            'http_request_seconds_bucket{le="+Inf"}': 5,
            "http_request_seconds_count": 5,
            "http_request_seconds_sum": 2.5,
            "http_request_seconds_created": 1520872607.123,
        }
    assert parser.families == {"http_request_seconds": Family("histogram", "How long.", "seconds")}


def test_reads_quoted_utf8_names() -> None:
    page = '{"http.server.requests","http.route"="/a",code="200"} 1\n{"größe"} 2\nplain{"a.b"="c"} 3\n'
    assert read(page) == {
        'http.server.requests{code="200", http.route="/a"}': 1,
        "größe": 2,
        'plain{a.b="c"}': 3,
    }


@pytest.mark.parametrize(
    ("kind", "label", "written", "kept"),
    [
        ("histogram", "le", "1", "1.0"),
        ("histogram", "le", "1e3", "1000.0"),
        ("histogram", "le", "Inf", "+Inf"),
        ("histogram", "le", "wide", "wide"),
        ("histogram", "quantile", "1", "1"),
        ("summary", "quantile", ".99", "0.99"),
        ("summary", "quantile", "1", "1.0"),
        ("gauge", "le", "1", "1"),
    ],
)
def test_normalises_bounds_as_prometheus_3(kind: str, label: str, written: str, kept: str) -> None:
    assert read(f'# TYPE m {kind}\nm{{{label}="{written}"}} 1\n') == {f'm{{{label}="{kept}"}}': 1}


@pytest.mark.parametrize(
    "line",
    [
        "<!DOCTYPE html><html><body>Login</body></html>",
        '{"status": "ok"}',
        "half_a_lin",
        'half{a="b"}',
        'half{a="b',
        "name value",
        "name 1_000",
        "name 0x1p-2",
        "name 1e999",
        "name 12\r",
        "name +nan",
        "name ٣",
        "9name 1",
        "name 1 2 3",
        "name 1 1.5",
        "name 1 -5",
        'name{a="b" 1',
        'name{a="b",,} 1',
        "name{a=b} 1",
        "name{a} 1",
        'name{"other"} 1',
        '{a="b"} 1',
        'name{a="b",a="c"} 1',
        'name{__name__="b"} 1',
        "# TYPE name speed",
        "# TYPE name",
        'name{a="b"} 1 # {trace="x"} 1',
    ],
)
def test_refuses_a_page_with_a_broken_line_and_says_which(line: str) -> None:
    with pytest.raises(BadPage, match="error on line 3") as error:
        read(f"good 1\n# fine\n{line}\nmore 2\n")
    assert error.value.samples == 1


def test_refuses_what_is_not_utf8() -> None:
    with pytest.raises(BadPage, match="not UTF-8"):
        read(b'name{a="\xff"} 1\n')
    with pytest.raises(BadPage, match="not UTF-8"):
        read(b"# HELP name \xff\n")


def test_says_of_html_what_to_do() -> None:
    with pytest.raises(BadPage) as error:
        read("<html>")
    assert "metrics_path" in str(error.value.hint)


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("a 1\n", "truncated"),
        ("a 1", "truncated"),
        ("", "error on line 1"),
        ("a 1\n\n# EOF\n", "empty"),
        ("# EOF\na 1\n", "after # EOF"),
        ("# a comment\n# EOF\n", "allows only HELP, TYPE and UNIT comments"),
        ("# TYPE a untyped\n# EOF\n", "no such metric type"),
        ("# UNIT a_seconds bytes\n# EOF\n", "unit"),
        ("a  1\n# EOF\n", "expected a name, labels"),
        ("a 1 NaN\n# EOF\n", "time"),
    ],
)
def test_refuses_broken_openmetrics(page: str, reason: str) -> None:
    with pytest.raises(BadPage, match=reason):
        read(page, openmetrics=True)


def test_gives_samples_with_a_time_apart_and_makes_no_new_series_of_them() -> None:
    parser = Exposition(plain)
    for at in (1000, 2000, 3000):
        page = parser.read(f'a{{b="c d"}} 5 {at}\nb 6\n'.encode(), openmetrics=False)
        assert [(str(one.labels), one.at_ms, one.value) for one in page.timed] == [('a{b="c d"}', at, 5.0)]
        assert shown(page) == {"b": 6}
        assert (page.samples, page.kept) == (2, 2)
    page = parser.read(b"a 1 1.5\na 2 -2\n# EOF\n", openmetrics=True)
    assert [one.at_ms for one in page.timed] == [1500, -2000]


def test_does_not_heed_times_where_told_so() -> None:
    page = Exposition(plain, honor_timestamps=False).read(b"a 5 1000\n", openmetrics=False)
    assert (shown(page), page.timed) == ({"a": 5}, ())


def test_keeps_the_first_of_duplicates_and_counts_the_others() -> None:
    parser = Exposition(plain)
    for value in (1, 2):
        body = f'a{{x="1",y="2"}} {value}\nb 3\na{{y="2",x="1"}} 9\nb 4\n'.encode()
        page = parser.read(body, openmetrics=False)
        assert shown(page) == {'a{x="1", y="2"}': value, "b": 3}
        assert (page.samples, page.kept, page.duplicates) == (4, 4, 2)


def test_leaves_out_what_the_relabelling_drops() -> None:
    parser = Exposition(lambda labels: LabelSet.of(labels) if labels["__name__"] != "go" else None)
    for value in (1, 2):
        page = parser.read(f"a {value}\ngo 7\nb 3\n".encode(), openmetrics=False)
        assert shown(page) == {"a": value, "b": 3}
        assert (page.samples, page.kept) == (3, 2)
    with pytest.raises(BadPage):
        parser.read(b"a 1\ngo x\nb 3\n", openmetrics=False)


def test_stops_at_the_limit_of_samples() -> None:
    parser = Exposition(plain, limit=2)
    assert parser.read(b"a 1\nb 2\n", openmetrics=False).kept == 2
    with pytest.raises(BadPage, match="more than 2 samples"):
        parser.read(b"a 1\nb 2\nc 3\n", openmetrics=False)
    assert parser.read(b"a 1\nb 4\n", openmetrics=False).kept == 2


def test_the_labels_are_the_same_object_while_the_series_are_the_same() -> None:
    parser = Exposition(plain)
    first = parser.read(b"a 1\nb 2\n", openmetrics=False).labels
    assert parser.read(b"a 5\nb NaN\n", openmetrics=False).labels is first
    assert parser.read(b"# HELP a now\na 5\nb 6\n", openmetrics=False).labels is first
    assert parser.read(b"b 6\na 5\n", openmetrics=False).labels is not first


def test_a_value_that_breaks_on_a_known_page_is_found() -> None:
    parser = Exposition(plain)
    parser.read(b"a 1\nb 2\n", openmetrics=False)
    for body in (b"a 1\nb x\n", b"a 1\nb 1_0\n", b"a 1\nb 1e999\n", b"a 1\nb \n", b"a 1\nb 2\r\n"):
        with pytest.raises(BadPage, match="line 2"):
            parser.read(body, openmetrics=False)
    assert shown(parser.read(b"a 1\nb 7\n", openmetrics=False)) == {"a": 1, "b": 7}


def test_a_type_that_changes_is_noticed_on_a_known_page() -> None:
    parser = Exposition(plain)
    parser.read(b"# TYPE a counter\na 1\n", openmetrics=False)
    parser.read(b"# TYPE a gauge\na 1\n", openmetrics=False)
    assert parser.families["a"].type == "gauge"


def test_forgets_keys_that_are_gone_for_good() -> None:
    parser = Exposition(plain)
    for number in range(3000):
        parser.read(f'a{{request="{number}"}} 1\n'.encode(), openmetrics=False)
    assert len(parser._known) < 1100


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["a 1", 'b{x="1"} 2', " c 3", "\t d 4", "", "  ", '# an odd "', " # \\", r'e{x="\"\\\""} 5', r'f{x="\\"} 6']
        ),
        max_size=9,
    ),
    st.integers(1, 60),
)
def test_counts_samples_without_parsing_them(lines: list[str], at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lilfox_tui.scrape.exposition._SPLIT_BYTES", at_once)
        body = "\n".join(lines).encode()
        count = Exposition(plain).read(body, openmetrics=False).samples
        assert sample_count(body) == sample_count(body + b"\n") == count
        assert sample_count(body + b'\ng{x="1\n2"} 7') == 0, "a value that goes on in the next line"


VALUES = st.floats(allow_nan=False, allow_infinity=False)
SERIES = st.tuples(
    st.sampled_from(["a", "b:c", "d_total"]),
    st.dictionaries(st.sampled_from(["x", "y", "le"]), st.text(st.characters(codec="utf-8"), max_size=8), max_size=3),
)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def written(series: list[tuple[str, dict[str, str]]], values: list[float]) -> bytes:
    lines = []
    for (name, labels), value in zip(series, values, strict=True):
        inner = ",".join(f"{key}={quoted(text)}" for key, text in labels.items())
        lines.append(f"{name}{{{inner}}} {value!r}\n" if inner else f"{name} {value!r}\n")
    return "".join(lines).encode()


@settings(max_examples=150, deadline=None)
@given(st.lists(SERIES, max_size=12), st.data())
def test_reads_back_what_was_written_first_and_second_time(
    series: list[tuple[str, dict[str, str]]], data: st.DataObject
) -> None:
    parser = Exposition(plain)
    for _time in range(3):
        values = data.draw(st.lists(VALUES, min_size=len(series), max_size=len(series)))
        expected: dict[LabelSet, float] = {}
        for (name, labels), value in zip(series, values, strict=True):
            expected.setdefault(LabelSet.of({"__name__": name, **labels}), value)
        page = parser.read(written(series, values), openmetrics=False)
        assert dict(zip(page.labels, page.values.tolist(), strict=True)) == expected


LINES = st.sampled_from(
    [
        "a 1", "a 2", "a  3", "a NaN", "a x", "a", 'a{x="1"} 4', 'a{x="1"} 5 1000', 'a{x="1"} 6', 'a{x="2",y="1"} 7',
        'a{y="1",x="2"} 8', "b 9", "b 1e999", "b 10 2000", "drop 1", "drop 2", "drop x", "# a comment", "# HELP a A.",
        "#", "# TYPE a counter", "# TYPE a gauge", "# TYPE a speed", "", " ", "<html>", "# EOF",
        'c{x="1"} 1 # {y="2"} 3',
        'a{x="d e 5"} 1', 'a{x="d e 5"} 2 3000', "a 11\t", " a 12",
    ]
)  # fmt: skip


def outcome(parser: Exposition, body: bytes, *, openmetrics: bool) -> object:
    try:
        page = parser.read(body, openmetrics=openmetrics)
    except BadPage as error:
        return str(error), error.samples, error.kept
    return str(shown(page)), page.timed, page.samples, page.kept, page.duplicates, parser.families


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.lists(LINES, max_size=6), st.booleans()), max_size=6))
def test_what_was_read_before_changes_nothing(pages: list[tuple[list[str], bool]]) -> None:
    def relabel(labels: Mapping[str, str]) -> LabelSet | None:
        return LabelSet.of(labels) if labels["__name__"] != "drop" else None

    used = Exposition(relabel)
    for lines, openmetrics in pages:
        for body in ("\n".join(lines).encode(), "\n".join([*lines, ""]).encode()):
            anew = Exposition(relabel)
            assert outcome(used, body, openmetrics=openmetrics) == outcome(anew, body, openmetrics=openmetrics)


@pytest.mark.parametrize(("page", "openmetrics"), [("a 1 9223372036854775808", False), ("a 1 9.3e15\n# EOF", True)])
def test_a_time_that_no_clock_can_tell_is_refused(page: str, openmetrics: bool) -> None:
    with pytest.raises(BadPage, match="timestamp out of range"):
        read(page, openmetrics=openmetrics)


# Pages made to cost much: reading them takes time and memory by their length, and hardly anything is kept.


LENGTH = 1 << 20
MOST_S = 2.0
"""Of CPU time; what grew with the square of the length would take minutes."""
PAGES = {
    "a name": b"a" * LENGTH + b" 1\n",
    "a value of a label": b'a{x="' + b"v" * LENGTH + b'"} 1\n',
    "escapes": b'a{x="' + b"\\\\" * (LENGTH // 2) + b'"} 1\n',
    "a quotation that does not end": b'a{x="' + b'\\"' * (LENGTH // 2) + b"\n",
    "labels": b"a{" + b",".join(b'l%d="v"' % number for number in range(LENGTH // 12)) + b"} 1\n",
    "braces": b"a" + b"{" * LENGTH + b"} 1\n",
    "commas": b"a{" + b"," * LENGTH + b"} 1\n",
    "spaces": b"a" + b" " * LENGTH + b"1\n",
    "digits": b"a " + b"1" * LENGTH + b"\n",
    "empty lines": b"\n" * LENGTH,
    "comments": b"# HELP a b\n" * (LENGTH // 11),
    "metrics without samples": b"".join(b"# HELP a%d b\n" % number for number in range(LENGTH // 18)),
}


@pytest.mark.parametrize("what", PAGES)
def test_a_page_costs_no_more_than_its_length(what: str) -> None:
    began = time.process_time()
    with suppress(BadPage):
        Exposition(LabelSet.of).read(PAGES[what], openmetrics=False)
    assert time.process_time() - began < MOST_S
    exposition = Exposition(LabelSet.of)
    tracemalloc.start()
    try:
        with suppress(BadPage):
            exposition.read(PAGES[what], openmetrics=False)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 32 * LENGTH
    assert kept < 8 * LENGTH


def test_a_series_of_too_many_labels_is_refused() -> None:
    labels = b",".join(b'l%d="v"' % number for number in range(2000))
    with pytest.raises(BadPage, match="more than 1000 labels"):
        Exposition(LabelSet.of).read(b"a{" + labels + b"} 1\n", openmetrics=False)


def test_what_is_said_of_metrics_is_kept_of_so_many() -> None:
    exposition = Exposition(LabelSet.of)
    exposition.read(PAGES["metrics without samples"], openmetrics=False)
    assert len(exposition.families) == 20_000
