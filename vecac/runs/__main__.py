"""python -m vecac.runs FOLDER: which runs there are, which of them are running, and what they came to."""

import sys

from vecac.shell.run_list import main

if __name__ == "__main__":
    sys.exit(main())
