"""Execute the notebooks headless, compare their metrics with a reference, and build one report page."""
