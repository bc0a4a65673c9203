"""The dialog for choosing a theme: shows each in its own colours, and applies the selected one while moving."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual.strip import Strip

from lilfox_tui.app.console import Console
from lilfox_tui.app.dialogs.prompt import Choice, Chooser
from lilfox_tui.app.rendering.chart import SERIES_COLOURS, series_role
from lilfox_tui.app.rendering.columns import cells
from lilfox_tui.app.rendering.draw import Glyphs, Palette, Piece, Row, side_by_side
from lilfox_tui.app.widgets import Lines
from lilfox_tui.config.themes import Theme, load_theme, theme_names
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.core.i18n import Message, _
from lilfox_tui.core.text import fit

_NAME = 15
"""Cells of a theme's name."""
_TITLE, _TEXTS = 28, 4
"""Cells of a theme's title, and pieces of a sample that are left out where they have no room."""


def sample_row(theme: Theme, glyphs: Glyphs) -> Row:
    """The levels, a chart and the series of a theme, as they are drawn with it, its title, and how text looks."""
    glyphs = glyphs.for_theme(theme)
    levels = (
        (glyphs.good, "good"),
        (glyphs.degraded, "degraded"),
        (glyphs.failing, "failing"),
        (glyphs.unknown, "unknown"),
    )
    marks = glyphs.full * SERIES_COLOURS if glyphs.dots else glyphs.markers
    return (
        *(Piece(f" {mark}", role) for mark, role in levels),
        Piece("  " + glyphs.bars[1:-1:2], "chart"),
        Piece("  "),
        *(Piece(mark * 2 + " ", series_role(place)) for place, mark in enumerate(marks[:SERIES_COLOURS])),
        Piece(" " + fit(str(Message(theme.title)), _TITLE)),
        Piece(" " + _("muted"), "muted"),
        Piece(" " + _("key"), "key"),
        Piece(" "),
        Piece(_("match"), "text", "match"),
    )


class SampleLines(Lines):
    """Rows that begin with a name, each continued by its sample in another palette."""

    def __init__(self, samples: Mapping[str, tuple[Palette, Row]]) -> None:
        super().__init__(ground="bar", id="dialog-list")
        self._samples = samples

    def _repaint(self, before: tuple[list[Row], int | None], width: int) -> None:
        """Paints every row: the samples are not in the rows that are compared."""
        super()._repaint(before, width)
        self.refresh()

    def painted(self, y: int, width: int) -> Strip:
        """Line ``y``: the name, then the sample."""
        strip = super().painted(y, width)
        row, _selected = self._line(y)
        sample = self._samples.get("".join(piece.text for piece in row).strip())
        room = width - _NAME - 1
        if sample is None or room <= 0:
            return strip
        palette, pieces = sample
        pieces = pieces if cells(pieces) <= room else pieces[:-_TEXTS]
        return side_by_side(strip.crop(0, _NAME + 1), palette.strip(pieces, room))


class ThemePicker:
    """Lets the user choose a theme. ``repaint`` redraws the pane behind the dialog, whose symbols depend on it."""

    def __init__(self, app: Console, repaint: Callable[[], None]) -> None:
        self._app, self._repaint = app, repaint
        self._before = app.palette.theme.name
        self._themes: dict[str, Theme] = {}

    def open(self) -> None:
        """Shows the dialog, with the theme in use selected."""
        folders = self._app.config.theme_dirs
        choices = [self._choice(name, folders) for name in theme_names(folders)]
        glyphs, ascii_only = self._app.glyphs, self._app.glyphs.ascii_only
        samples = {
            fit(name, _NAME).strip(): (
                Palette(self._app.fitted(theme), ascii_only=ascii_only),
                sample_row(theme, glyphs),
            )
            for name, theme in self._themes.items()
        }
        names = [each.id for each in choices]
        chooser = Chooser(
            _("Theme"),
            choices,
            wide=True,
            at=names.index(self._before) if self._before in names else 0,
            moved=None if self._app.slow_link else self._use,
            rows=SampleLines(samples),
        )
        self._app.push_screen(chooser, lambda chosen: self._use(chosen or self._before))

    def _choice(self, name: str, folders: tuple[str, ...]) -> Choice:
        """A theme that can be chosen, or the reason why it cannot."""
        row = (Piece(fit(name, _NAME), "strong"),)
        try:
            theme = self._themes[name] = load_theme(name, folders)
        except ConfigError as error:
            why = "; ".join((str(error), *error.problems))
            return Choice(name, (*row, Piece(why, "failing")), name, possible=False, more=why)
        title = str(Message(theme.title))
        told = [_("theme: {name} in the configuration keeps it", name=name)]
        if name == self._before:
            told.append(_("in use now"))
        else:
            told += [_("enter uses it until you quit"), _("esc returns to {name}", name=self._before)]
        return Choice(name, row, f"{name} {title}", more="; ".join(told))

    def _use(self, name: str) -> None:
        """Draws everything in that theme."""
        theme = self._themes.get(name)
        if theme is not None and name != self._app.palette.theme.name:
            self._app.use_theme(theme)
            self._repaint()
