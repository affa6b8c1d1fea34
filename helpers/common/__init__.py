"""Shared by all packages: errors, files, progress bars, worker processes, settings of the process."""
