"""Options that the kinds of sources that back up files share."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from lilfox_tui.config.model import SourceConfig
from lilfox_tui.core.i18n import tr

Absolute = Annotated[str, Meta(pattern="^/[^\0]*$", description=tr("an absolute path").text)]


class FileTreeOptions(SourceConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of files and of config."""

    exclude: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    """Globs as tar's ``--exclude`` has them: one without ``/`` fits a name at any depth, ``*`` also passes ``/``."""
    sudo: bool = False
    """Read and restored as root."""
    skip_unreadable: bool = False
    """What may not be read is named and left out; else the backup fails and names it."""
    links_out: bool = False
    """Symbolic links that lead out of the folder are right; else a restore refuses an archive that has them."""
    setuid: bool = False
    """A restore keeps set-user-ID and set-group-ID bits and capabilities of files; else it drops them."""
