"""`make bench`: every benchmark, one after the other, and the page of their results. Names as arguments choose some."""

from __future__ import annotations

import subprocess
import sys

from benchmarks import page


def main(names: list[str]) -> int:
    """Goes on after one that failed, and says so at the end."""
    failed = [name for name in names or page.ORDER if not _run(name)]
    page.write()
    print(f"\nwrote {page.PAGE.relative_to(page.PAGE.parents[1])}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


def _run(name: str) -> bool:
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
