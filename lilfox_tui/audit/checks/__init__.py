"""The checks, a folder for each group and in it a file for each subject, such as a host's sshd.

A file declares facts (:class:`~lilfox_tui.audit.model.Fact`: what a host is asked, and a pure parser of the answer) and
``CHECKS``, whose ``judge`` is pure: it reads facts and yields findings. :mod:`lilfox_tui.audit.catalogue` finds the
files by their names.
"""
