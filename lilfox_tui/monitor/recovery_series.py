"""Units that recover by themselves, as series that rules select. Imports numpy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np

from lilfox_tui.config.runbook_model import RecoveryConfig
from lilfox_tui.monitor.export_recovery import recovery_families
from lilfox_tui.recovery.history import UnitRecord
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.notation import ms_of
from lilfox_tui.scrape.store import SeriesStore


class RecoverySeries:
    """Writes what is known of the units into ``store``."""

    def __init__(self, store: SeriesStore, units: Mapping[str, RecoveryConfig]) -> None:
        self._target, self._units = store.target("recovery"), units

    def take(self, records: Mapping[str, UnitRecord], now: datetime) -> None:
        """What is known now."""
        lines = [
            (LabelSet.of({**dict(labels), NAME: name}), value)
            for name, _kind, _help, found in recovery_families(self._units, records)
            for labels, value in found
        ]
        values = np.array([value for _labels, value in lines], dtype=np.float64)
        self._target.append(ms_of(now), LabelList([labels for labels, _value in lines]), values)
