"""`python -m helpers.runner`, see `helpers.runner.run`."""

import sys

from helpers.runner.run import main

if __name__ == "__main__":
    sys.exit(main())
