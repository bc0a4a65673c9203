"""The files that ``lilfox export`` makes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lilfox_tui.audit.targets.hosts import ExportedFile
    from lilfox_tui.config.model import Config


def exported_files(config: Config, host: str) -> Mapping[str, ExportedFile]:
    """What would be exported for the collectors of a host, for the audit; what makes it is imported with the first."""
    files: Mapping[str, ExportedFile] = import_module("lilfox_tui.cli.exports.log_stack").exported_files(config, host)
    return files
