"""``impasto bench``: time and memory, compared with the machine's limits and with other programs.

Method: contestants take turns (A B A B), each warmed up first; a figure is the median of its samples with
the lowest and the highest; time is wall-clock time; nothing is left out because it was lost. A suite is one
file, a generator of comparisons.
"""
