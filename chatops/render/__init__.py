"""Events and states as text, as JSON lines, as a live console."""
