"""Formats of log lines, one file for each kind; ``logs/record.py`` is their contract. Kinds do not depend on each
other.

Their patterns take time that grows with the line, not faster: no repeat without a bound stands within another, and one
that could give back what it took is possessive, bounded, or followed by what it cannot take.
"""
