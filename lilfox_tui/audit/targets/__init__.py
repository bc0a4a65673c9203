"""How each kind of target is asked for facts."""
