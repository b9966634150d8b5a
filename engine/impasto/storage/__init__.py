"""The files that a run writes besides its picture, and reads again: recipes, checkpoints, style files."""
