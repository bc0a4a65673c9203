"""Rows that several panes and the frame show. Pure."""
