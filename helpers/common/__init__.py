"""What every package stands on: errors, files, progress bars, processes, settings of the process."""
