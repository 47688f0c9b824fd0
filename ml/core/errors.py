"""The error that a user can mend."""


class UserError(Exception):
    """Bad input: the message says what is wrong, where, and what to do.

    Commands print it without a traceback and end with exit code 1.
    """
