"""Side-by-side measurements; each prints a table and writes its figures to results/."""
