"""Report a fault: which thing is wrong, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

Log = Callable[[str], None]  # takes a line that tells the progress


class StudyError(Exception):
    """A fault that the user can mend. Its message names the thing and the remedy."""


class OwnFault(StudyError):
    """A fault of this package that it notices itself. Its message names the thing; nobody outside can mend it."""


class TooSlow(StudyError):
    """A circuit that no pipeline takes to its clock."""


# How the last line of a job's log begins where the job ended by itself: with what the user can mend, or by our own fault.
# Neither goes better a second time. A process that was killed leaves no such line.
REFUSED, FAULT = "error: ", "fault: "


MOST_SAID = 2000  # characters of what a library says


def brief(error: Exception) -> str:
    """What a library says of a damaged file, in one line and whole, since the cause may stand at its end. Of a text of thousands
    of characters, into which some put the file's content, beginning and end."""
    text = " ".join(str(error).split())
    if len(text) > MOST_SAID:
        text = f"{text[:MOST_SAID // 2]} … {text[-MOST_SAID // 2:]}"
    return f"{type(error).__name__}: {text}"


def unknown(kind: str, name: object, valid: Iterable[str]) -> StudyError:
    """The error for a name that does not exist, with the nearest valid names.

    Returned, not raised, so that the caller's ``raise`` stays visible where it happens.
    """
    valid = sorted(valid)
    near = difflib.get_close_matches(str(name), valid, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"valid: {', '.join(valid)}"
    return StudyError(f"unknown {kind} {name!r}; {hint}")


def nearest(name: str, there: Iterable[str]) -> str:
    """Which of the names that are there come nearest to the missing ``name``, else all of them (80 at most); in words."""
    there = list(there)
    near = difflib.get_close_matches(name, there, n=3, cutoff=0.5)
    return f"nearest there: {', '.join(near)}" if near else f"there: {', '.join(there[:80])}"
