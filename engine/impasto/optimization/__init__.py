"""One optimization, from settings to a result."""
