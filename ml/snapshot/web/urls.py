"""URLs of the web: their parts, their proxies, and what may be shown of them."""

import urllib.request

import httpx

from ml.core.errors import visible
from ml.snapshot.web.errors import NotFetched

LAST_PORT = 65535
SHOWN = 200  # characters of a URL in a log


def parsed(url: str, base: httpx.URL | None = None) -> httpx.URL:
    """Parses a URL, which may be relative to `base`.

    Raises:
        NotFetched: it is no http or https URL with a host.
    """
    try:
        found = httpx.URL(url) if base is None else base.join(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise NotFetched("it is no valid URL") from error
    if found.scheme not in ("http", "https") or not found.host:
        raise NotFetched("it is no http or https URL")
    # httpx escapes what cannot stand in a host's name, and takes any number for a port.
    if "%" in name_of(found) or not 0 < port_of(found) <= LAST_PORT:
        raise NotFetched("it is no valid URL")
    return found


def name_of(url: httpx.URL) -> str:
    """Returns the name of a URL's host as the network knows it, in ASCII."""
    return url.raw_host.decode("ascii")


def port_of(url: httpx.URL) -> int:
    """Returns the port of a URL, also where it is not written."""
    usual = 443 if url.scheme == "https" else 80
    return usual if url.port is None else url.port


def proxy_of(url: httpx.URL) -> str | None:
    """Returns the proxy for a URL, as HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say."""
    if urllib.request.proxy_bypass(f"{name_of(url)}:{port_of(url)}"):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all") or None
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def without_secrets(url: str) -> str:
    """Returns a URL without user, password and query, which may be secrets; for messages."""
    place = httpx.URL(url)
    shown = str(place.copy_with(userinfo=b"", query=None, fragment=None))
    return visible(shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…")
