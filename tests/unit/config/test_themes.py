"""Every bundled theme: complete, readable, and refused with a reason when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.app.rendering.draw import Palette, Piece
from lilfox_tui.config.themes import FOX_DARK, GROUNDS, INKS, load_theme, read_theme, theme_names
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
        for ink in set(INKS) - DECORATION:
            ratio = contrast(theme.colours[ink], theme.colours[ground])
            assert ratio >= 4.5, f"{ink} on {ground}: {ratio:.2f}"


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
    for role in (*INKS, "strong", "title", "key"):
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


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.1)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast of two ``#rrggbb`` colours, 1 to 21 (WCAG 2.1)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
