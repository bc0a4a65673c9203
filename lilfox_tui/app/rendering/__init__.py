"""How text becomes the screen: pieces, glyphs, columns, charts. Pure."""
