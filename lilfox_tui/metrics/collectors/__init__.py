"""Collectors: one file each, named for what it reads. A collector is text in, samples out.

A module here has:

``Options``
    a frozen ``msgspec.Struct`` with ``forbid_unknown_fields``, all fields defaulted: the section ``collectors: KIND:``.
``EVERY_S``
    how often at most it is asked, in seconds; 0 is each sample. ``WHEN_FOCUSED = True``: only for the host looked at.
``FILES``
    paths that are read whole, the cheap way (one process for all collectors of a host, none on this machine).
``script(options) -> str``
    a fragment of POSIX sh whose stdout is wanted beside the files; ``""`` when there is none. It must end by itself
    and quickly (``timeout`` where it can hang), read nothing from stdin and change nothing.
``parse(text, options) -> list[Sample]``
    pure: ``text`` maps each of FILES, and ``"script"``, to what was read (absent when it could not be). Raises
    MalformedOutput with what is wrong; what can still be read goes into its ``samples``.
``read_here(options) -> str`` (optional)
    this machine's stand-in for ``script``: the same text without starting a process.

A captured text in ``tests/unit/metrics/collectors/captures/`` is its test; ``tests/contracts/test_collectors.py``
runs over every kind without being told.
"""
