"""The faces: they show what `agent` does and hold no state of their own."""
