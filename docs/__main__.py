"""`make docs`: every page and picture that is made from something else."""

from __future__ import annotations

import runpy
from pathlib import Path

from benchmarks import page

MAKERS = ("make_configuration.py", "make_pictures.py")


def main() -> None:
    """Each maker writes its own files."""
    for name in MAKERS:
        runpy.run_path(str(Path(__file__).with_name(name)), run_name="__main__")
    page.write()


if __name__ == "__main__":
    main()
