"""Find, check and call plugins."""
