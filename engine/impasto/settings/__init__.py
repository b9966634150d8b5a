"""What the user asked for, checked. Nothing here imports torch."""
