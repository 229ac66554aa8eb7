"""The monitor's screen: it knows the board and its events, and nothing of targets."""
