"""Credentials stay out of what is stored and shown: those in URLs, and those of the environment."""

import os
import re

SCHEME = r"([A-Za-z][A-Za-z0-9+.-]*://)"
USER = re.compile(SCHEME + r"""[^\s/?#@'"]*@""")
# A password that holds a slash: the number of a port cannot stand where it begins.
ODD = re.compile(SCHEME + r"""[^\s/?#@:\['"]*:(?!:|\d{0,5}(?:[/?#\s'"]|$))[^\s'"]*@""")
NAMES = "(?:sig|signature|token|secret|password|passwd|pwd|key|credential|auth|sas)"
QUERY = re.compile(rf"""([?&;#][^\s?&;#='"]*{NAMES}=)[^\s&;#'"]+""", re.IGNORECASE)
VARIABLE = re.compile(r"SECRET|PASSWORD|TOKEN|API_KEY|AUTH_STRING|CREDENTIAL|_DSN$")
SHORTEST = 8  # characters of a value that is looked for in texts; words may be shorter


def without_credentials(text: str) -> str:
    """Removes from the URLs in a text what may be a secret, and values of secret variables.

    Users and passwords go, values of tokens in a query become `***`, and so do the values of
    environment variables that are named for a secret, such as AWS_SECRET_ACCESS_KEY.
    """
    for name, value in os.environ.items():
        if len(value) >= SHORTEST and value[0] != "/" and VARIABLE.search(name):
            text = text.replace(value, "***")
    return _clean_urls(text)


def has_credentials(url: str) -> bool:
    """Returns whether a URL, or one of those that it is chained of, holds what may be a secret."""
    return "://" in url and _clean_urls(url) != url


def _clean_urls(text: str) -> str:
    if "://" not in text:
        return text
    return QUERY.sub(r"\1***", USER.sub(r"\1", ODD.sub(r"\1", text)))
