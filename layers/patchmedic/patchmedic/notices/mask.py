"""Hiding secrets in text that nodes and events hand us, before it is stored or shown.

Here: one pure function.  Not here: control characters and lengths (``text``).

Linear on any input, on Python's own engine.  Each pattern is of one of these shapes: of bounded
length; a fixed start followed by a run that cannot fail once it began; or a start that cannot lie
inside the run that follows it.  So no character is looked at more often than a constant.

What is hidden is the value; the name before it stays, because it tells the reader what was there.
Short values of ``token:`` stay, since AWS's error codes end in those letters (``ExpiredToken:
The security token ...``), and so does what follows ``/etc/passwd:``; a classifier reads them.
"""

from __future__ import annotations

import re
from functools import cache

MASK = "[masked]"

_VALUE = r"""(?:\[masked\]|\\{0,3}"(?:[^"\\\n]|\\.)*"?|\\{0,3}'(?:[^'\\\n]|\\.)*'?|[^\s"'&,;<>]+)"""
"""What was masked already; or in quotes, escaped or never closed; or up to a separator."""
_BETWEEN = r"""(?:\\{0,3}["']?[ \t]{0,8}(?:=>|[:=])[ \t]{0,8})"""

_PATTERNS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("private key",),
        r"-----begin [a-z0-9 ]{0,32}private key-----[^-]*(?:-----end[^-\n]{0,64}-----)?",
        MASK,
    ),
    (("://",), r"""(://)[^\s/?#"'<>]*@""", rf"\1{MASK}@"),
    (
        ("authorization",),
        r"""(authorization\\{0,3}["']?[ \t]{0,8}[:=][ \t]{0,8})[^\r\n]+""",
        rf"\1{MASK}",
    ),
    (("bearer",), r"(\bbearer[ \t]{1,8})[a-z0-9._~+/=-]{12,}", rf"\1{MASK}"),
    (
        ("passw", "passphrase", "pwd", "secret", "key", "credential"),
        rf"""((?<!/)(?:password|passwd(?!:[ \t])|pwd|passphrase|client[_-]?secret
        |secret[_-]?string|secret[_-]?key|secret[_-]?access[_-]?key|access[_-]?key[_-]?id|api[_-]?key|routing[_-]?key
        |integration[_-]?key|account[_-]?key|shared[_-]?access[_-]?key|private[_-]?key
        |encryption[_-]?key|x-amz-credential){_BETWEEN}){_VALUE}""",
        rf"\1{MASK}",
    ),
    (
        ("--", "-pass"),
        rf"""(--?(?:proxy-)?(?:passw(?:or)?d|pass|secret|secret-key|token|auth-token|api-key)
        (?:[ \t]{{1,4}}|=)){_VALUE}""",
        rf"\1{MASK}",
    ),
    (
        ("token", "secret", "sig"),
        rf"""((?:token|secret|signature|\bsig){_BETWEEN}\\{{0,3}}["']?)[a-z0-9+/=_.%~-]{{16,}}""",
        rf"\1{MASK}",
    ),
    (("akia", "asia", "abia", "acca"), r"(?:akia|asia|abia|acca)[a-z0-9]{16}", MASK),
    (
        ("iqoj", "fwog", "fqog", "aqod"),
        r"(?<![a-z0-9+/=])(?:iqoj|fwog|fqog|aqod)[a-z0-9+/=]{40,}",
        MASK,
    ),
    (("eyj",), r"(?<![a-z0-9_.-])eyj[a-z0-9_-]{8,}\.[a-z0-9_.-]{8,}", MASK),
    (
        ("ghp_", "gho_", "ghs_", "ghu_", "github_pat_", "glpat-", "xox"),
        r"(?:gh[posu]_[a-z0-9]{20,}|github_pat_[a-z0-9_]{20,}|glpat-[a-z0-9_-]{16,}|xox[abprs]-[a-z0-9-]{10,})",
        MASK,
    ),
    (
        ("/integration/", "hooks.slack.com"),
        r"((?:/integration/|hooks\.slack\.com/(?:services|workflows)/))[a-z0-9/_-]{16,}",
        rf"\1{MASK}",
    ),
)
"""(words of which one must be there in lower case, pattern in any case, replacement)."""


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("\n        |", "|").replace("\n        ", ""), re.IGNORECASE)


def mask_secrets(text: str) -> str:
    """``text`` with every secret that can be recognised replaced by ``[masked]``.

    Keys of AWS, session tokens, passwords (also inside URLs), signatures of presigned URLs,
    Authorization headers, private keys, tokens of well-known services, the pager's key.
    """
    lower = text.lower()
    for words, pattern, replacement in _PATTERNS:
        if any(word in lower for word in words):
            text = _compiled(pattern).sub(replacement, text)
    return text
