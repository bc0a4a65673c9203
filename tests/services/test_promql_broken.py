"""Queries that chance has broken: Prometheus' own parser and ours must take and refuse the same ones."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.lexer import tokens
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import PROMETHEUS_2
from tests.services.prometheus_server import prometheus
from tests.services.promql_queries import RANGES, queries

WORDS = re.findall(
    r"\S+",
    r"""bool on ignoring group_left group_right by without offset @ [5m] [5m:] [0s] [300] { } ( ) "x" 'b'
    `a` 1 - + % and or unless =~ !~ = , : 5m 1h30m NaN Inf 1e 0x # sum topk quantile count_values limitk
    {a="b"} {__name__="x"} {a=~"("} start end start() == != >= ^ atan2 x:y x.y é $ ! ~ rate nosuch( abs(""",
)


def broken(chance: random.Random, query: str) -> str:
    """``query`` with up to two of its words gone, doubled by others, or changed places."""
    words = [token.text for token in tokens(query)]
    for _ in range(chance.choice((0, 1, 1, 2))):
        place = chance.randrange(len(words))
        match chance.randrange(4):
            case 0 if len(words) > 1:
                del words[place]
            case 1:
                words.insert(place, chance.choice(WORDS))
            case 2:
                words[place] = chance.choice(WORDS)
            case _:
                other = chance.randrange(len(words))
                words[place], words[other] = words[other], words[place]
    return " ".join(words)


def taken(query: str) -> bool:
    try:
        parse(query, PROMETHEUS_2)
    except QueryError:
        return False
    return True


@pytest.mark.parametrize("seed", [1, 2])
def test_takes_and_refuses_what_prometheus_does(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    whole = [*queries(1.5, 2.5), *RANGES]
    texts = [broken(chance, chance.choice(whole)) for _ in range(2000)]
    with prometheus(tmp_path, "--enable-feature=promql-experimental-functions") as server:
        verdicts = [server.parses(text) for text in texts]
    assert 500 < sum(verdicts) < 1500
    assert [text for text, verdict in zip(texts, verdicts, strict=True) if taken(text) != verdict] == []
