"""Greets, and then waits for the end of its input: at once where it has none."""

import sys


class Run:
    def run(self) -> None:
        print("hello from python", flush=True)
        sys.stdin.read()
