"""The start page: a map of the notebooks, and a check of the installation."""

from helpers.start.contents import contents
from helpers.start.installation import verify

__all__ = ["contents", "verify"]
