"""What is minimized: plain torch modules."""
