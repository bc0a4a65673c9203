"""Collectors: one file each, named after what it reads. A collector turns text into samples.

A module here has:

``Options``
    a frozen ``msgspec.Struct`` with ``forbid_unknown_fields``, all fields defaulted: the section ``collectors: KIND:``.
``parse(text, options) -> list[Sample]``
    pure: ``text`` maps each of FILES, and ``"script"``, to what was read (absent when it could not be). Raises
    MalformedOutput with what is wrong; what can still be read goes into its ``samples``.

and one or both of

``FILES``
    paths under /proc or /sys that are read whole, the cheap way (one process for all collectors of a host, none on
    this machine).
``script(options) -> str``
    a fragment of POSIX sh whose stdout is wanted beside the files. It must end by itself and quickly
    (``lilfox_limit SECONDS COMMAND…`` where it can hang), read nothing from stdin and change nothing.

and, where the defaults do not fit,

``ignored(options) -> str``
    an extended regular expression of lines of FILES that ``parse`` leaves out, and of no other file's: a host with many
    of them does not send them. Empty: none.
``EVERY_S``
    how often at most it is asked, in seconds; 0 (each sample) when not given.
``WHEN_FOCUSED``
    True: only for the host that is looked at.
``REPEATS``
    True: most lines of the script are those of the time before, of which only the others are sent; it has no FILES.
``read_here(options) -> str | None``
    this machine's stand-in for ``script``: the same text without starting a process; None where these options need
    the script after all.

A captured text in ``tests/unit/metrics/collectors/captures/`` is its test; ``tests/contracts/test_collectors.py``
runs over every kind without being told.
"""
