"""Picture files to tensors, and tensors to picture files."""
