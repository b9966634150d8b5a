"""The built-in canvases."""
