"""The configuration as the command line wants it."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from lilfox_tui.cli.output import no_colour, warn
from lilfox_tui.config.loader import LoadedConfig, load
from lilfox_tui.i18n import set_language


def load_settings(args: argparse.Namespace) -> LoadedConfig:
    """The configuration that ``args`` names, with ``--read-only``, language and colours applied. Raises ConfigError."""
    if args.no_color:
        no_colour()
    loaded = load(None if args.config is None else Path(args.config))
    for warning in loaded.warnings:
        warn(warning)
    config = loaded.config
    if args.language is None and config.language != "auto":
        set_language(config.language)
    if args.read_only:
        config = msgspec.structs.replace(config, read_only=True)
    return LoadedConfig(config, loaded.path, loaded.warnings)
