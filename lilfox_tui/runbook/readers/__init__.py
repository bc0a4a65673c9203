"""Tables of programs that only read, and of their words. What is not in a table is not known to read."""
