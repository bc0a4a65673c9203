"""The section ``clusters:`` of the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.config.loader import from_text
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import ConfigError


def test_all_keys_may_be_left_out() -> None:
    config = from_text("clusters: {shop: {}}", "c")
    shop = config.clusters["shop"]
    assert (shop.from_, shop.kubeconfig, shop.context, shop.namespaces, shop.production) == (None, None, None, (), None)
    assert shop.every == Seconds(5)


@pytest.mark.parametrize(
    ("settings", "where", "what"),
    [
        ("{from: gone}", "clusters.shop.from", "gone"),
        ("{every: 200ms}", "clusters.shop.every", "shorter than 1s"),
        ("{context: --all}", "clusters.shop.context", ""),
        ('{context: "a\\nb"}', "clusters.shop.context", ""),
        ("{kubeconfig: -x}", "clusters.shop.kubeconfig", ""),
        ("{namespaces: [Shop]}", "clusters.shop.namespaces", ""),
        ("{namespaces: ['-A']}", "clusters.shop.namespaces", ""),
        ("{host: web}", "clusters.shop", "host"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(settings: str, where: str, what: str) -> None:
    with pytest.raises(ConfigError) as found:
        from_text(f"clusters:\n  shop: {settings}\n", "c")
    assert where in str(found.value) + "".join(found.value.problems)
    assert what in str(found.value) + "".join(found.value.problems)


def test_the_example_has_one() -> None:
    example = Path(__file__).parents[3] / "config.example.yaml"
    assert from_text(example.read_text("utf-8"), "c").clusters["shop"].context == "shop-prod"
