"""The benchmarks of `make bench`, one module per part.

Each part has `run(folder, size) -> dict` of name to number, and two settings of how much it measures: `FULL`, whose
numbers are published, and `TINY`, with which every line runs within seconds. Its docstring lists the numbers.
"""
