"""What an error says, for a message that names its place itself."""


def reason(error: Exception) -> str:
    """Returns what an error says; of one of the system without its path, which is named beside."""
    return str(getattr(error, "strerror", None) or error)
