"""Tables of programs that only read, and of their words. Anything that is not in a table is not known to only read."""
