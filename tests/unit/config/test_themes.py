"""Every bundled theme: complete, readable, and refused with a reason when it is not."""

from __future__ import annotations

import math
from itertools import combinations, product
from pathlib import Path

import pytest

from lilfox_tui.app.rendering.draw import Palette, Piece
from lilfox_tui.config.themes import FOX_DARK, GROUNDS, INKS, SERIES, SYNTAX, load_theme, read_theme, theme_names
from lilfox_tui.core.errors import ConfigError

DECORATION = {"rule"}
"""Inks that carry no text."""


def test_there_are_eight_and_the_default_is_one() -> None:
    assert len(theme_names()) >= 8
    assert "fox-dark" in theme_names()


def test_the_default_needs_no_file_and_is_what_its_file_says() -> None:
    assert read_theme(Path("themes/fox-dark.yaml")) == FOX_DARK == load_theme("fox-dark")


@pytest.mark.parametrize("name", theme_names())
def test_text_can_be_read_on_every_ground(name: str) -> None:
    theme = load_theme(name)
    if theme.ansi:
        pytest.skip("the terminal's own colours decide")
    for ground in GROUNDS:
        for ink in {*INKS, *SYNTAX} - DECORATION:
            ratio = contrast(theme.colours[ink], theme.colours[ground])
            assert ratio >= 4.5, f"{ink} on {ground}: {ratio:.2f}"


@pytest.mark.parametrize("name", theme_names())
def test_series_are_seen_and_told_apart_by_colour_blind_eyes_too(name: str) -> None:
    theme = load_theme(name)
    if theme.ansi:
        pytest.skip("the terminal's own colours decide")
    for ground, ink in product(("background", "selection"), (*SERIES, "chart")):
        ratio = contrast(theme.colours[ink], theme.colours[ground])
        assert ratio >= 3.0, f"{ink} on {ground}: {ratio:.2f}"
    for seen_by, (one, other) in product(SEEN_BY, combinations(SERIES, 2)):
        apart = math.dist(lab(theme.colours[one], seen_by), lab(theme.colours[other], seen_by))
        assert apart >= 20, f"{one} and {other} seen by {seen_by}: {apart:.0f}"


def test_a_theme_may_leave_out_the_colours_of_series_and_texts(tmp_path: Path) -> None:
    lines = Path("themes/fox-dark.yaml").read_text().splitlines()
    file = tmp_path / "old.yaml"
    file.write_text("\n".join(line for line in lines if line.split(":")[0].strip() not in {*SERIES, *SYNTAX}))
    theme = read_theme(file)
    assert theme.colours["series1"] == theme.colours["chart"]
    assert theme.colours["string"] == theme.colours["good"]


@pytest.mark.parametrize("name", theme_names())
def test_good_degraded_and_failing_differ_by_shape_or_colour(name: str) -> None:
    theme = load_theme(name)
    looks = {
        (theme.colours[theme.look(role).colour], theme.look(role).bold) for role in ("good", "degraded", "failing")
    }
    assert len(looks) == 3 or name == "mono"


@pytest.mark.parametrize("name", theme_names())
def test_every_role_can_be_drawn(name: str) -> None:
    palette = Palette(load_theme(name), ascii_only=False)
    for role in (*INKS, *SERIES, *SYNTAX, "strong", "title", "key"):
        assert palette.strip((Piece("x", role),), 3).cell_length == 3


def test_contrast_is_as_wcag_defines_it() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_an_unknown_theme_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no-such") as caught:
        load_theme("no-such")
    assert "fox-dark" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["../fox-dark", "a/b", ""])
def test_a_theme_name_is_no_path(name: str) -> None:
    with pytest.raises(ConfigError):
        load_theme(name)


def test_a_bad_theme_lists_every_problem(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("title: Bad\ndark: true\nextra: 1\ncolours:\n  text: red\n  nope: '#ffffff'\n")
    with pytest.raises(ConfigError) as caught:
        read_theme(file)
    problems = "\n".join(caught.value.problems)
    for part in ("extra: unknown key", "colours.nope: unknown role", "colours.text", "colours.background: missing"):
        assert part in problems
    assert "bad.yaml" in problems


def test_a_users_theme_comes_first(tmp_path: Path) -> None:
    source = next(folder for folder in (Path("themes"),) if folder.is_dir()) / "fox-dark.yaml"
    (tmp_path / "fox-dark.yaml").write_text(source.read_text().replace("Fox dark", "Mine"))
    assert load_theme("fox-dark", [str(tmp_path)]).title == "Mine"


def channel(value: float) -> float:
    """A part of a colour, 0 to 1, as light (sRGB)."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, 0 to 1 (WCAG 2.1)."""
    red, green, blue = (channel(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast of two ``#rrggbb`` colours, 1 to 21 (WCAG 2.1)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


SEEN_BY = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopes": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopes": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopes": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}
"""What eyes make of linear RGB: Machado, Oliveira and Fernandes 2009, severity 1."""


def lab(colour: str, seen_by: str) -> tuple[float, float, float]:
    """CIE L*a*b* (D65) of a colour as those eyes see it: distances of 20 and more are easily told apart."""
    light = [channel(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5)]
    seen = [sum(share * part for share, part in zip(row, light, strict=True)) for row in SEEN_BY[seen_by]]
    red, green, blue = (min(1.0, max(0.0, part)) for part in seen)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)
