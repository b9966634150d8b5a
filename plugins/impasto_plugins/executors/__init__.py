"""Executors: where the jobs of a batch are done."""
