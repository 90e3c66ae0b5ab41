"""Tier 3: which certificates a PEM text has; imports what ssl imports.

What lives here: where a certificate begins and ends, as OpenSSL has it. What must not: whether it is any good, which OpenSSL
says.
"""

import functools
import re

# As in pem_lib.c: a line of its own from its first character on, so that what somebody has commented out or indented stays
# out; blanks behind it are nothing. The body is ASCII without a hyphen, so an unfinished block costs no second look. The
# hyphens come before what looks behind them: `re` searches for a literal beginning ten times as fast as for `^`.
HYPHENS = r"-----(?<![^\n]-----)"
BLANKS = r"[\x00-\t\x0b- ]*"
BEGIN = re.compile(rf"{HYPHENS}BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----{BLANKS}$", re.MULTILINE)
BLOCK = re.compile(
    rf"{HYPHENS}BEGIN (?P<label>(?:X509 )?CERTIFICATE)-----{BLANKS}\n"
    r"(?P<body>[\x00-,.-\x7f]*)"
    rf"^-----END (?P=label)-----{BLANKS}$",
    re.MULTILINE,
)
TRUSTED = "-----BEGIN TRUSTED CERTIFICATE-----"


@functools.lru_cache(maxsize=4)  # a process reads the same bundle for each of its contexts
def blocks(text: str) -> tuple[int, list[str]]:
    """How many blocks `text` begins, and those that it ends, too."""
    return len(BEGIN.findall(text)), [block[0] for block in BLOCK.finditer(text)]
