"""Every bundled theme: complete, readable, and refused with a reason when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.color import Color, ColorSystem
from rich.console import Console

from lilfox_tui.app.rendering.draw import Palette, Piece
from lilfox_tui.config.colours import GRAPHIC_CONTRAST, TEXT_CONTRAST, colour_depth, fitted, in_256
from lilfox_tui.config.themes import FOX_DARK, INKS, SERIES, SYNTAX, load_theme, read_theme, theme_names
from lilfox_tui.core.errors import ConfigError
from tools.themes import (
    BORDER_CONTRAST,
    HIGH_GRAPHIC_CONTRAST,
    HIGH_TEXT_CONTRAST,
    LEVEL_DISTANCE,
    LEVELS,
    SEEN_BY,
    SERIES_DISTANCE,
    SERIES_DISTANCE_IN_256,
    TERMINALS,
    Lab,
    contrast,
    difference,
    distances,
    graphic_contrasts,
    lab,
    on_terminal,
    text_contrasts,
)


def test_there_are_nine() -> None:
    pairs = [f"{name}-{light}" for name in ("clear", "contrast", "fox") for light in ("dark", "light")]
    assert list(theme_names()) == [*pairs, "mono", "sixteen", "terminal"]


def test_the_default_needs_no_file_and_is_what_its_file_says() -> None:
    assert read_theme(Path("themes/fox-dark.yaml")) == FOX_DARK == load_theme("fox-dark")


COLOURED = [name for name in theme_names() if not load_theme(name).ansi]
"""The others leave it to the terminal what their colours are."""


@pytest.mark.parametrize("name", COLOURED)
def test_text_can_be_read_on_every_ground(name: str) -> None:
    least = HIGH_TEXT_CONTRAST if name.startswith("contrast-") else TEXT_CONTRAST
    assert [each for each in text_contrasts(load_theme(name)) if each.value < least] == []


@pytest.mark.parametrize("name", COLOURED)
def test_charts_and_borders_can_be_seen(name: str) -> None:
    theme = load_theme(name)
    least = HIGH_GRAPHIC_CONTRAST if name.startswith("contrast-") else GRAPHIC_CONTRAST
    assert [each for each in graphic_contrasts(theme) if each.value < least] == []
    assert contrast(theme.colours["rule"], theme.colours["background"]) >= BORDER_CONTRAST


@pytest.mark.parametrize("name", COLOURED)
def test_series_are_told_apart_by_colour_blind_eyes_too(name: str) -> None:
    assert [each for each in distances(load_theme(name), SERIES) if each.value < SERIES_DISTANCE] == []


@pytest.mark.parametrize("name", COLOURED)
def test_it_is_as_good_in_256_colours(name: str) -> None:
    _sent, theme = in_256(load_theme(name))
    assert [each for each in text_contrasts(theme) if each.value < TEXT_CONTRAST] == []
    assert [each for each in graphic_contrasts(theme) if each.value < GRAPHIC_CONTRAST] == []
    assert [each for each in distances(theme, SERIES) if each.value < SERIES_DISTANCE_IN_256] == []
    assert theme.colours["selection"] not in (theme.colours["background"], theme.colours["bar"])


@pytest.mark.parametrize("name", COLOURED)
def test_rich_sends_the_256_colours_that_are_meant(name: str) -> None:
    sent, seen = in_256(load_theme(name))
    for role, colour in sent.colours.items():
        number = Color.parse(colour).downgrade(ColorSystem.EIGHT_BIT).number
        assert number is not None
        assert _of_256(number) == seen.colours[role], role


@pytest.mark.parametrize("name", COLOURED)
def test_it_can_be_read_in_16_colours(name: str) -> None:
    theme = fitted(load_theme(name), 16)
    numbers = {
        role: Color.parse(colour).downgrade(ColorSystem.STANDARD).number for role, colour in theme.colours.items()
    }
    console = list(TERMINALS["Linux console"].values())[2:]
    shown = replace(theme, colours={role: console[number] for role, number in numbers.items() if number is not None})
    assert [each for each in text_contrasts(shown) if each.value < TEXT_CONTRAST] == []
    assert shown.selection_reversed


@pytest.mark.parametrize("name", ["Linux console", "xterm, dark"])
def test_the_theme_of_consoles_can_be_read_on_black(name: str) -> None:
    theme = on_terminal(load_theme("sixteen"), name)
    assert [each for each in text_contrasts(theme) if each.value < TEXT_CONTRAST] == []
    assert [each for each in graphic_contrasts(theme) if each.value < GRAPHIC_CONTRAST] == []


def test_a_theme_of_names_is_sent_as_it_is() -> None:
    assert [fitted(load_theme("terminal"), depth) for depth in (16, 256)] == [load_theme("terminal")] * 2


def _of_256(number: int) -> str:
    """The colour of a number from 16 to 255, as xterm has them."""
    if number >= 232:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3
    levels = (0, 95, 135, 175, 215, 255)
    place = number - 16
    return "#" + "".join(f"{levels[each]:02x}" for each in (place // 36, place // 6 % 6, place % 6))


@pytest.mark.parametrize(
    ("environ", "depth"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, 16777216),
        ({"TERM": "xterm-256color"}, 256),
        ({"TERM": "xterm-kitty"}, 256),
        ({"TERM": "tmux-256color", "COLORTERM": ""}, 256),
        ({"TERM": "alacritty"}, 16),
        ({"TERM": "linux"}, 16),
        ({}, 16),
    ],
)
def test_the_depth_is_the_one_in_which_rich_sends(environ: dict[str, str], depth: int) -> None:
    assert colour_depth(environ) == depth
    names = {16: "standard", 256: "256", 16777216: "truecolor"}
    assert Console(force_terminal=True, _environ=environ).color_system == names[depth]


@pytest.mark.parametrize("name", COLOURED)
def test_levels_are_told_apart(name: str) -> None:
    eyes = SEEN_BY if name.startswith("clear-") else ("all cones",)
    for levels in (LEVELS, ("chart", "degraded", "failing")):
        close = [each for each in distances(load_theme(name), levels, eyes) if each.value < LEVEL_DISTANCE]
        assert close == []


@pytest.mark.parametrize("name", COLOURED)
def test_the_selection_and_the_bars_are_seen(name: str) -> None:
    colours = load_theme(name).colours
    assert difference(lab(colours["selection"]), lab(colours["background"])) >= 4
    assert difference(lab(colours["selection"]), lab(colours["bar"])) >= 3


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


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0),
        ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0009), 7.1792),
        ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0011), 7.2195),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_distances_are_those_of_sharma(one: Lab, other: Lab, apart: float) -> None:
    assert difference(one, other) == pytest.approx(apart, abs=1e-4)


def test_grey_is_grey_to_all_eyes() -> None:
    assert [lab("#808080", eyes) for eyes in SEEN_BY] == [pytest.approx((53.59, 0, 0), abs=0.05)] * len(SEEN_BY)


def test_red_and_green_are_closer_to_those_who_lack_a_cone() -> None:
    seen = {eyes: difference(lab("#c00000", eyes), lab("#308000", eyes)) for eyes in SEEN_BY}
    assert seen["deuteranopes"] < seen["all cones"] / 2


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
