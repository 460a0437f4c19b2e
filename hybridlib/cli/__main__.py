"""``python -m hybridlib.cli`` is the command ``hybridlib``."""

from __future__ import annotations

import sys

from hybridlib.cli import main

if __name__ == "__main__":
    sys.exit(main())
