"""Turns data into what the terminal shows: pieces of text, glyphs, columns and charts. Pure functions."""
