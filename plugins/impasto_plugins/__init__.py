"""What Impasto ships with, one feature a file, through the same hooks as anybody's plugins."""
