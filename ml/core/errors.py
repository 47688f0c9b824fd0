"""The one error that a person can mend."""


class UserError(Exception):
    """Bad input: the message says what is wrong, where, and what to do. Shown without a traceback, exit code 1."""
