"""Profile runs, and benchmarks."""
