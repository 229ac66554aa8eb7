"""The only door from the local target to this machine's files and processes."""
