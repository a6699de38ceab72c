"""Whether a call that changes something comes from our own page: no other page may press our buttons (CSRF).

A browser says with every call where it comes from, and no page can change what it says. What neither header names is
no browser's call, and brings no password that a browser has kept. As Go's `http.CrossOriginProtection` decides:
https://pkg.go.dev/net/http#CrossOriginProtection and https://words.filippo.io/csrf/.
"""

from starlette.datastructures import Headers


def from_our_pages(headers: Headers) -> bool:
    """Whether the call comes from a page of ours, from an address that was typed, or from a program."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin, host = headers.get("origin"), headers.get("host", "")
    return origin is None or (host != "" and origin.partition("://")[2] == host)
