"""Labels that are replaced, joined and sorted by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.functions import FUNCTIONS
from lilfox_tui.promql.functions.vectors import label_join, label_replace, precedes
from lilfox_tui.promql.value import PROMETHEUS_2
from tests.unit.promql.functions.windows import CALL, read, vector

OLD = CALL._replace(semantics=PROMETHEUS_2)
ONE = vector(({"__name__": "up", "instance": "host-1:9100"}, 1.0))


@pytest.mark.parametrize(
    ("target", "replacement", "source", "pattern", "result"),
    [
        ("host", "$1", "instance", "(.*):.*", 'up{host="host-1", instance="host-1:9100"}'),
        ("host", "$1", "instance", "(.*):", 'up{instance="host-1:9100"}'),  # must fit as a whole
        ("instance", "$port", "instance", ".*:(?P<port>.*)", 'up{instance="9100"}'),
        ("instance", "", "instance", ".*", "up"),
        ("__name__", "down", "", "", 'down{instance="host-1:9100"}'),
        ("x", "none", "missing", "", 'up{instance="host-1:9100", x="none"}'),
    ],
)
def test_a_label_becomes_what_a_pattern_finds(
    target: str, replacement: str, source: str, pattern: str, result: str
) -> None:
    assert read(label_replace(CALL, ONE, target, replacement, source, pattern)) == {result: 1.0}


def test_a_dot_takes_a_newline_since_prometheus_3() -> None:
    two_lines = vector(({"a": "x\ny"}, 1.0))
    assert read(label_replace(CALL, two_lines, "b", "1", "a", "x.y")) == {'{a="x\\ny", b="1"}': 1.0}
    assert read(label_replace(OLD, two_lines, "b", "1", "a", "x.y")) == {'{a="x\\ny"}': 1.0}


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(QueryError, match="label_replace"):
        label_replace(CALL, ONE, "x", "y", "instance", "(")


def test_names_may_be_any_text_since_prometheus_3() -> None:
    assert read(label_replace(CALL, ONE, "0-é", "y", "", "")) == {'up{0-é="y", instance="host-1:9100"}': 1.0}
    for name in ("", "0-é"):
        with pytest.raises(QueryError, match="is not a valid label name"):
            label_replace(OLD, ONE, name, "y", "", "")
    with pytest.raises(QueryError, match="is not a valid label name"):
        label_join(CALL, ONE, "", "-", "instance")
    with pytest.raises(QueryError, match="is not a valid label name"):
        label_join(OLD, ONE, "x", "-", "a-b")


def test_values_of_labels_are_joined() -> None:
    of = vector(({"a": "1", "b": "2"}, 5.0))
    assert read(label_join(CALL, of, "c", "-", "a", "missing", "b")) == {'{a="1", b="2", c="1--2"}': 5.0}
    assert read(label_join(CALL, of, "a", "-")) == {'{b="2"}': 5.0}


def test_the_same_vector_gets_the_same_list_of_labels() -> None:
    arguments = ("host", "$1", "instance", "(.*):.*")
    assert label_replace(CALL, ONE, *arguments).labels is label_replace(CALL, ONE, *arguments).labels
    assert label_join(CALL, ONE, "x", "-", "instance").labels is label_join(CALL, ONE, "x", "-", "instance").labels


def sorted_by(name: str, *arguments: str) -> list[str]:
    elements = vector(
        ({"n": "node-10", "z": "b"}, 1.0), ({"n": "node-2", "z": "a"}, float("nan")), ({"n": "node-02", "z": "a"}, 3.0),
        ({"n": "x", "z": "a"}, -2.0),
    )  # fmt: skip
    return [label.get("n") for label in FUNCTIONS[name].kernel(CALL, elements, *arguments).labels]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "arguments", "order"),
    [
        ("sort", (), ["x", "node-10", "node-02", "node-2"]),
        ("sort_desc", (), ["node-02", "node-10", "x", "node-2"]),
        ("sort_by_label", ("z", "n"), ["node-02", "node-2", "x", "node-10"]),
        ("sort_by_label_desc", ("z",), ["node-10", "x", "node-2", "node-02"]),
        ("sort_by_label", ("missing",), ["node-02", "node-10", "node-2", "x"]),
    ],
)
def test_orders(name: str, arguments: tuple[str, ...], order: list[str]) -> None:
    found = sorted_by(name, *arguments)
    if arguments == ("z", "n"):  # 2 and 02 are the same number: either may come first
        found[:2] = sorted(found[:2])
    assert found == order


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [("a2", "a10", True), ("a10", "a2", False), ("a", "a1", True), ("a1", "a", False), ("1.2.3", "1.10", True),
     ("9" * 30, "1" + "0" * 40, False), ("a", "b", True), ("", "b", False), ("1" * 5000, "2", True)],
)  # fmt: skip
def test_numbers_in_labels_are_compared_by_size(left: str, right: str, expected: bool) -> None:
    assert precedes(left, right) is expected


@given(number=st.integers(0, 10**17), more=st.integers(1, 1000))
def test_smaller_numbers_come_first(number: int, more: int) -> None:
    assert precedes(f"disk{number}", f"disk{number + more}")
    assert not precedes(f"disk{number + more}", f"disk{number}")
