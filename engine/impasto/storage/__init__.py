"""The files that a run writes beside its picture, and reads again: recipes, checkpoints, style files."""
