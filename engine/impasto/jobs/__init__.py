"""Work that is built of runs: paint and save, resume, rerun, sweep, learn a style, compare, estimate."""
