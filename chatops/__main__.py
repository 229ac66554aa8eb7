"""`python -m chatops`."""

from chatops.cli.app import main

main()
