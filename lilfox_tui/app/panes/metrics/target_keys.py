"""The key that shows all targets that are scraped."""

from __future__ import annotations

from datetime import UTC, datetime

from lilfox_tui.app.actions import action
from lilfox_tui.app.dialogs.reader import Reader
from lilfox_tui.app.panes.metrics.keys import MetricsKeys
from lilfox_tui.i18n import Message, tr


class TargetKeys(MetricsKeys):
    """Shows them as they are now, also while the screen is turned back."""

    @action(
        "targets",
        "t",
        tr("targets"),
        tr("all pages of metrics that are scraped: up or down, and why"),
        why_not=lambda self: self.no_targets(),
        footer=9,
    )
    def show_targets(self) -> None:
        from lilfox_tui.app.panes.metrics.target_rows import target_rows

        scraping, newest = self.lilfox.monitor.scraping, self.lilfox.monitor.overview.value
        now = datetime.now(UTC) if newest is None else newest.at
        rows = target_rows(scraping.all_targets(), scraping.kept(), now, self.lilfox.glyphs)
        self.lilfox.push_screen(Reader(rows))

    def no_targets(self) -> Message | None:
        """Why there is no list of them."""
        config = self.lilfox.config
        named = config.services or config.scrape or config.prometheus_config
        return None if named else tr("the configuration names nothing to scrape: services, scrape or prometheus_config")
