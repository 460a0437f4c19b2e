"""The errors a user can cause: one class, one message that says where, what and how to mend it."""

from __future__ import annotations


class InputError(ValueError):
    """Something that was given (a parameter, a file, a record, an encoder) cannot be used."""
