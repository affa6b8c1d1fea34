"""The module that the five notebooks import.

Importing it settles the process before Paddle starts (see `helpers.runtime`); nothing else is loaded here.
"""

from helpers import runtime

runtime.settle()
