"""Personal data in what a user's check prints, masked: a report goes to more people than the database.

What has a form is known by it: mail addresses, telephone numbers, IBANs, numbers of cards, IP addresses. A name has no
form, and stays. Secrets are `redact`'s.
"""

import ipaddress
import re

from ops_pipelines.redact import MASK

_MAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w.-])")
# With + or 00 in front in any grouping; without, only as people group it: a count of rows is no telephone number.
_TELEPHONE = re.compile(
    r"(?<![\w.+])(?:(?:\+|00)[1-9](?:[ ()/.-]{0,2}\d){7,14}|\(\d{2,5}\)[ -]?\d(?:[ -]?\d){5,9}|"
    r"\d{3}([ .-])\d{3}\1\d{3,4})(?![\w-])"
)
_ADDRESS = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:]|\.\d)"
)
_CHECKED_BY, _REST = 97, 1


def masked(text: str) -> str:
    """The text with everything that looks like personal data masked."""
    text = _MAIL.sub(f"{MASK}@{MASK}", text)
    text = _IBAN.sub(lambda found: MASK if _is_iban(found[0]) else found[0], text)
    text = _CARD.sub(lambda found: MASK if _is_card(found[0]) else found[0], text)
    text = _ADDRESS.sub(lambda found: MASK if _is_address(found[0]) else found[0], text)
    return _TELEPHONE.sub(MASK, text)


def _is_iban(text: str) -> bool:
    """Its check digits are right (ISO 13616)."""
    plain = text.replace(" ", "")
    return int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % _CHECKED_BY == _REST


def _is_card(text: str) -> bool:
    """Its last digit is the one that Luhn's rule asks for."""
    digits = [int(each) for each in text if each.isdigit()]
    doubled = [each * 2 - 9 * (each > 4) for each in digits[-2::-2]]
    return (sum(doubled) + sum(digits[::-2])) % 10 == 0


def _is_address(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False
