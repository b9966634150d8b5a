"""The page that shows a run as it paints, and the studio that starts runs from it."""
