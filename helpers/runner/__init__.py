"""Execute the notebooks headless and report what they found."""
