"""The command line: a file a verb; heavy imports stay inside the bodies."""

import atexit
import gc

# What a call imports it keeps: to look through that for garbage, again and again and at the end, is a fifth of a short call.
gc.set_threshold(20_000)
atexit.register(gc.freeze)
