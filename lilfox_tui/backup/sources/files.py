"""A folder of files, as a tar archive: GNU tar on the host where it is."""

from __future__ import annotations

from lilfox_tui.backup.file_options import Absolute, FileTreeOptions
from lilfox_tui.core import plugins


class Options(FileTreeOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The folder is restored as a whole beside itself and swapped by rename, so its parent must be writable."""

    kind: str = "files"
    path: Absolute
    root: Absolute | None = None
    """The archive's names begin below this folder (``public/uploads/…`` of ``/srv/lilfox``), as the manual's do; below
    the folder's own parent when not given."""


__getattr__ = plugins.rest_in("lilfox_tui.backup.files.files_source")
