"""Readers are programs that only read: tables of their words. What is not in a table is not known to read."""
