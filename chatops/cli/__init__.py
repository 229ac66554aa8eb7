"""The command line: a file a verb; heavy imports stay inside the bodies."""
