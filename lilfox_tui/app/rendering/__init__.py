"""From text to screen: pieces, glyphs, columns, charts. Pure."""
