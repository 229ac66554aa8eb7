"""Python imports it at the start of every command that an end-to-end test runs, and of nothing else.

Threads of this tool import nothing: where two import modules that import each other, Python raises _DeadlockError in one of
them, once in some thousand runs. What a thread imports therefore ends the command here and now, on every run.
"""

import os
import sys
import threading

ENDED = 99
FREE = ("encodings.", "idna", "stringprep", "unicodedata")
"""What the standard library imports to look a host up: these import nothing that imports them."""


def _watch(event: str, words: tuple[object, ...]) -> None:
    if event != "import" or threading.current_thread() is threading.main_thread():
        return
    if str(words[0]).startswith(FREE):
        return
    os.write(2, f"a thread imports {words[0]}\n".encode())
    os._exit(ENDED)


sys.addaudithook(_watch)
