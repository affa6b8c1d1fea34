"""What `make bench` measures, one module per part; each has `run(folder) -> dict` of name to number."""
