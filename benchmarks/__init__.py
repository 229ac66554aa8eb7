"""Side-by-side measurements; each prints a table and writes its figures to results/."""

import os

# An installed tool has its bytecode beside it; where this is set, every start would compile it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
