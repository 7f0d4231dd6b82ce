"""An argparse parser that prints errors in one line."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

EXIT_USAGE = 2


class Parser(argparse.ArgumentParser):
    """Prints an error in one line and exits with 2. Options cannot be abbreviated: a new option could make an
    abbreviation ambiguous."""

    def __init__(self, formatter: type[argparse.HelpFormatter] = argparse.HelpFormatter, **options: object) -> None:
        # argparse makes a formatter for each option. To find its width it would import shutil, which takes 3 ms.
        options["formatter_class"] = lambda prog: formatter(prog, width=_columns() - 2)
        super().__init__(**options, allow_abbrev=False)  # type: ignore[arg-type]

    def parse_words(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse the words of a command line, of which no option may have an empty value."""
        self._check_values(words)
        self._check_names(words)
        return self.parse_args(words)

    def _check_names(self, words: Sequence[str]) -> None:
        # argparse keeps no public list of them. To read them from the help would take 15 ms.
        known = [name for name in self._option_string_actions if name.startswith("--")]
        for word in itertools.takewhile(lambda word: word != "--", words):
            name = word.partition("=")[0]
            # argparse takes a word with a space in it as a value.
            if name.startswith("--") and " " not in word and name not in known:
                self.error(f"unrecognized arguments: {word}{did_you_mean(name, known)}")

    def _check_values(self, words: Sequence[str]) -> None:
        """An empty value comes from a shell variable that is not set. It must not mean "without this check"."""
        before = ""
        for word in words:
            option, equals, value = word.partition("=")
            if before == "--" or word == "--":
                return
            empty = option if equals and not value.strip() else before if not word.strip() else ""
            if empty.startswith("-"):
                self.error(f"{empty} is empty; give it a value (is a shell variable not set?), or leave it out")
            before = "" if equals else word

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """``; did you mean X?`` if one of the known words is like the given one, else nothing."""
    import difflib

    close = difflib.get_close_matches(given, sorted(known), 1)
    return f"; did you mean {close[0]}?" if close else ""


def _columns() -> int:
    """The terminal's width, found in the same way as shutil.get_terminal_size does."""
    try:
        return int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        pass
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80
