"""`python -m lcnb`: the `lcnb` command where scripts are not on the path."""

import sys

from lcnb.cli import main

if __name__ == "__main__":
    sys.exit(main())
