"""Files that are written: whole or not at all, never over an input, over others only if that is asked for."""
