"""Whatever text stands in a rule file, it is read and filled, or refused: nothing else comes out."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from lilfox_tui.alerts.template import Scope, Template, TemplateError
from lilfox_tui.alerts.template.functions import NAMES
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.labels import LabelList, LabelSet

SIMPLE = """. .Labels .Value $ $value $labels.job "a" `b` 'c' 1 -2.5 1i 0x1p4 nil true "" "%[2]*.[1]*f|%+v|%#v|%q"
"\udce9" "\ud800" "[" "x*" 18446744073709551615 "1h30m" "NaN" 1e300 -1"""
MARKS = """{{ }} {{- -}} if else end range with define template block break continue $x := = , | ( ) /* */ é \x00"""
simple = st.sampled_from(SIMPLE.split())
names = st.sampled_from(sorted(NAMES))
expressions = st.recursive(
    simple,
    lambda inner: st.tuples(names, st.lists(inner, max_size=3)).map(lambda call: f"({call[0]} {' '.join(call[1])})"),
)
blocks = st.sampled_from(
    ["{{ %s }}", "{{ %s | print }}", "{{ range %s }}{{ . }}{{ else }}n{{ end }}", "{{ with %s }}{{ . }}{{ end }}"]
)


def answered(text: str) -> Vector:
    return Vector(LabelList((LabelSet.of({"__name__": text or "up"}),)), np.array((1.0,)))


@given(st.lists(simple | st.sampled_from(MARKS.split()) | names, max_size=24).map(" ".join))
@example('define "x" }}{{ end }}{{ define "x" }}{{ end }}{{ range $a, $b = $labels }}{{ end }}')
def test_a_text_is_read_or_refused(words: str) -> None:
    with suppress(TemplateError):
        Template("{{ " + words, "A")


@given(blocks, expressions)
@example("{{ %s }}", "(printf `%1000000000000d %.99999999999f %*d` 1 1.5 1e9)")
def test_what_is_read_is_filled(block: str, expression: str) -> None:
    filled = Template(block.replace("%s", expression), "A").expand(Scope({"job": "web"}, 2.5, answered))
    assert isinstance(filled, str)


@given(st.text())
def test_a_text_without_actions_stays_as_it_is(text: str) -> None:
    if "{{" not in text:
        assert Template(text).expand(Scope({}, 0.0, answered)) == text
