"""Labels of a target's series, and its limits on them."""

from __future__ import annotations

import pytest

from lilfox_tui.scrape.exposition import Malformed
from lilfox_tui.scrape.target import PlainSecret, RelabelRule, ScrapeAccess, ScrapeLimits, ScrapeTarget

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
