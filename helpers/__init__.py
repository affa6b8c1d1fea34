"""The module that the five notebooks import.

Importing it settles the process before Paddle starts (see `helpers.common.runtime`); nothing else is loaded here.
"""

from helpers.common import runtime

runtime.settle()
