"""What the commands share: the reader's language, exit codes, and how an error is told.

Here: options and outputs that several commands have.  Not here: the commands.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NoReturn

import click

from patchmedic.model import LANGUAGES

EXIT_NOT_FOUND = 3
_LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""Of these the first that is set names the reader's language, as for every program."""


def language_of_locale() -> str:
    """The language that the reader's terminal is set to, or English."""
    locale = next((os.environ[name] for name in _LOCALE_VARIABLES if os.environ.get(name)), "")
    language = locale[:2].lower()
    return language if language in LANGUAGES and locale[2:3] in ("", "_", ".", "-") else "en"


LANGUAGE = click.option(
    "--lang",
    type=click.Choice(list(LANGUAGES)),
    default=language_of_locale,
    show_default="the terminal's, by LANG",
    help="Language.",
)


def echo_json(answer: Any) -> None:
    """One line, in ASCII: no terminal's encoding and no separator of Unicode breaks it."""
    click.echo(json.dumps(answer))


def fail(message: str, code: int) -> NoReturn:
    """End the command with a message for people."""
    click.echo(f"patchmedic: {message}", err=True)
    sys.exit(code)
