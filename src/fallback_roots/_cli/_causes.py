"""Tier 4: why a host does not verify, and what mends it; imports nothing but what was found, and ssl with it.

What lives here: the facts of ``fallback-roots check``, and `judge`, a pure function of them. What must not: trust in anything
that a server has sent. None of it gets into a suggested command either, but a name that no shell would obey.
"""

import re
import shlex
from typing import NamedTuple

from ._certificates import Certificate
from ._cures import Roots, cure, has
from ._look import PORTS, Look, Target
from ._text import Suggestion, count

# Causes for which there is no TLS connection that could be judged.
NO_CONNECTION = ("refused", "timeout", "dns", "closed")
# OpenSSL's X509_V_ERR_… (x509_vfy.h).
EXPIRED, NOT_YET_VALID, SELF_SIGNED = 10, 9, 18
NO_ISSUER = (2, 19, 20, 21)
WRONG_HOST = (62, 64)
STRICT = range(80, 94)  # what only VERIFY_X509_STRICT asks for
MOST_NAMES = 10
LONGEST = 300  # characters of what a server says


class Origin(NamedTuple):
    """Where a root is from: `source` (default, certifi, cafile, capath, system, unknown), `path`, and for the default load the
    variable's name or "compiled-in"."""

    source: str
    path: str | None = None
    origin: str | None = None

    def __str__(self) -> str:
        if self.source == "unknown":
            return "a source that cannot be told"
        what = "Python's own default load" if self.source == "default" else self.source
        said_by = f" ({self.origin})" if self.origin else ""
        return f"{what}: {self.path}{said_by}" if self.path else f"{what}{said_by}"


class Facts(NamedTuple):
    """What was found: see `gather`."""

    target: Target
    seconds: float  # that each connection had
    now: str  # ISO 8601, as the next one
    past: str  # a time that has surely passed
    roots: Roots
    checks: bool  # whether the context verifies, and the host name, too
    strict: bool  # VERIFY_X509_STRICT
    look: Look  # the verified one
    second: Look | None = None  # the unverified one
    root: Origin | None = None  # where the root that vouched is from
    proxies: tuple[str, ...] = ()  # variables that are set
    mends: tuple[Suggestion, ...] = ()  # where there are no roots at all: what the doctor suggests

    @property
    def shown(self) -> Look:
        """The connection that shows most."""
        return self.second or self.look


class Finding(NamedTuple):
    """`cause` (None where it is verified, and where none of the names fits), `text` in words, and what may mend it."""

    verified: bool
    cause: str | None
    text: str
    suggestions: tuple[Suggestion, ...] = ()

    @property
    def exit_code(self) -> int:
        """As the table of exit codes has it."""
        return 0 if self.verified else 4 if self.cause in NO_CONNECTION else 1


def judge(facts: Facts) -> Finding:
    """Whether it is verified, and if not, why and what to do, by what was found."""
    trouble = facts.look.trouble
    if trouble is None:
        return _verified(facts)
    return _of_certificate(facts) if trouble.kind == "certificate" else _of_connection(facts)


def _verified(facts: Facts) -> Finding:
    if not facts.checks:
        text = "A default context of this interpreter does not verify the server and its name, so nothing is known about it"
        command = Suggestion("fallback-roots doctor", "Somebody has changed ssl here; this tells more:")
        return Finding(False, None, f"{text}.", (command,))
    if facts.root is None or not facts.look.chain:
        return Finding(True, None, f"{facts.target} is verified; by which root cannot be told.")
    return Finding(True, None, f"{facts.target} is verified. {named(facts.look.chain[-1])} vouches for it, from {facts.root}.")


def _of_connection(facts: Facts) -> Finding:
    """Where it did not come to a certificate."""
    where, (kind, words, _) = facts.target, facts.look.trouble or ("", "", 0)
    command = f"fallback-roots check {shlex.quote(str(where))}"
    protocol = next((name for name, port in {**PORTS, " smtp": 25}.items() if port == where.port), "").strip()
    if kind == "tls":
        text = f"The handshake with {where} failed, and not over its certificate: {short(words)}."
        if "ALERT" in words.upper() and words != "TOO_MANY_WARN_ALERTS":  # OpenSSL's own limit
            text += " That is the server's word: it may want a client certificate, or another version of TLS than this Python."
        return Finding(False, None, text)
    if kind == "not_tls":
        text = f"What answers at {where} is not TLS: {short(words)}."
        if where.starttls or not protocol:
            return Finding(False, kind, text)
        why = f"Port {where.port} is where {protocol} is spoken, in which TLS has to be asked for:"
        return Finding(False, kind, text, (Suggestion(f"{command} --starttls {protocol}", why),))
    text = {
        "dns": f"The name {where.name} cannot be looked up: {words}.",
        "refused": f"There is no connection to {where}: {words}. Is that the right port, and is the server running?",
        "closed": f"{where} was connected, and then closed the connection {WHILE[facts.look.step]}: {words}.",
        "timeout": f"{where} did not answer within {facts.seconds:g} s, {WHILE[facts.look.step]}.",
    }[kind]
    suggestions = []
    if kind == "timeout" and facts.look.step == "handshake":
        text += " It may not speak TLS at all."
    if where.starttls and facts.look.step == "starttls":
        suggestions.append(Suggestion(command, "It may expect TLS at once:"))
    elif protocol and not where.starttls and facts.look.step == "handshake":
        suggestions.append(Suggestion(f"{command} --starttls {protocol}", f"It may be {protocol}, where TLS is asked for:"))
    if facts.proxies:
        text += f" ({facts.proxies[0]} is set: it may be that only a proxy leads there, and this check uses none.)"
    return Finding(False, kind, text, tuple(suggestions))


# By the step that a connection got to.
WHILE = {
    "lookup": "when its name was looked up",
    "connection": "when it was connected to",
    "starttls": "when it was asked for TLS",
    "handshake": "in the handshake",
}


def _of_certificate(facts: Facts) -> Finding:
    """Where OpenSSL did not take what the server sent."""
    trouble = facts.look.trouble
    code, words = (trouble.code, trouble.words) if trouble is not None else (0, "")
    if code == EXPIRED:
        return _expired(facts)
    if code == NOT_YET_VALID:
        return _not_yet_valid(facts)
    if code == SELF_SIGNED:
        return _self_signed(facts)
    if code in WRONG_HOST:
        return _wrong_host(facts)
    if code in NO_ISSUER:
        return _no_roots(facts) if facts.roots.is_empty else _no_issuer(facts)
    text = f"The certificate does not verify: {short(words)}."
    if facts.strict and code in STRICT:
        text += (
            " Python checks that since 3.13 (VERIFY_X509_STRICT), so an older one may well verify it. Its CA has to mend it."
        )
    return Finding(False, None, text)


def _expired(facts: Facts) -> Finding:
    chain = facts.shown.chain
    over = [found for found in chain if found.not_after is not None and found.not_after < facts.now]
    suggestions = []
    if not chain:
        text = "A certificate of the chain has expired."
    elif over:
        text = f"The certificate of {named(over[0])} has expired: it was valid until {over[0].not_after}"
        text += f", and it is {facts.now} now. Whoever runs the server has to renew it."
    else:
        names = {found.issuer for found in chain}
        old = [root for root in facts.roots.shown if root.subject in names and (root.not_after or "~") < facts.now]
        text = f"A root in the store has expired, and no certificate that {facts.target} sent: "
        text += f"{named(old[0])} was valid until {old[0].not_after}." if old else "the store has an old one of it."
        suggestions += [Suggestion("pip install --upgrade certifi", "A newer certifi may have a newer one:")]
        suggestions = suggestions if has(facts.roots, "certifi") else []
    if len(over) > 1 and len(over) == len(chain):
        text += " All of its chain has expired, so it may also be that this machine's clock is fast."
        suggestions.append(Suggestion("date -u", "To be compared with the time that it is:"))
    return Finding(False, "expired", text, tuple(suggestions))


def _not_yet_valid(facts: Facts) -> Finding:
    early = [found for found in facts.shown.chain if found.not_before is not None and found.not_before > facts.now]
    text = "A certificate of the chain is not valid yet."
    if early:
        text = f"The certificate of {named(early[0])} is not valid before {early[0].not_before}, and it is {facts.now} now."
    why = "To be compared with the time that it is:"
    if facts.now < facts.past:
        text += f" This machine's clock is wrong: what is installed here was made on {facts.past[:10]}, which is later."
        why = "The clock has to be set; this shows it:"
    else:
        text += " It may well be that this machine's clock is slow."
    return Finding(False, "not_yet_valid", text, (Suggestion("date -u", why),))


def _wrong_host(facts: Facts) -> Finding:
    leaf = facts.shown.chain[0] if facts.shown.chain else None
    name = facts.target.name
    if leaf is None or not leaf.names:
        text = f"The certificate is not for {name}"
        text += "." if leaf is None else f", and names no host but by its subject, {named(leaf)}."
        return Finding(False, "wrong_host", text)
    shown = ", ".join(map(short, leaf.names[:MOST_NAMES]))
    rest = len(leaf.names) - MOST_NAMES
    more = f", and {count(rest, 'other')}" if rest > 0 else ""
    text = (
        f"The certificate is not for {name}: it is for {shown}{more}. So either that is another server, or it has to be asked "
    )
    text += "for by such a name."
    # A server may send any name; it may be in a command only where it is a host's name and nothing else.
    plain = next((found for found in leaf.names if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}", found)), None)
    if plain is None:
        return Finding(False, "wrong_host", text)
    command = f"fallback-roots check {plain}:{facts.target.port}"
    command += f" --starttls {facts.target.starttls}" if facts.target.starttls else ""
    return Finding(False, "wrong_host", text, (Suggestion(command, "By the name that the certificate has:"),))


def _self_signed(facts: Facts) -> Finding:
    leaf = facts.shown.chain[0] if facts.shown.chain else None
    text = "The server's certificate is self-signed: it says itself who it is, and nobody else vouches for that."
    if leaf is not None:
        text += f" It is {named(leaf)}, {fingerprint(leaf)}."
    text += f" {ASK}"
    return Finding(False, "self_signed", text, tuple(cure(facts.roots)))


ASK = "Whoever answers can send that, so get the certificate from who runs it, and compare its SHA-256, before you trust it."


def _no_roots(facts: Facts) -> Finding:
    roots, doctor = facts.roots, Suggestion("fallback-roots doctor", "Tells what was looked at, and what was found:")
    outcome, origin = roots.outcome, roots.origins.get("disable", "default")
    if roots.disabled:
        why = "FALLBACK_ROOTS_DISABLE switches fallback-roots off"
    elif outcome is None:
        state, verdict = roots.status.state, roots.status.verdict
        why = verdict.reason if verdict is not None else f"fallback-roots is not at work here ({state})"
    elif outcome.code == "disabled":
        why = f"{origin} says disable = true"
    elif outcome.code == "honored":
        why = "honor_ssl_env is set, and SSL_CERT_FILE or SSL_CERT_DIR has the last word"
    elif outcome.code == "none":
        why = "certifi is false, and no other source is set"
    else:
        why = "; ".join(outcome.problems)
    text = f"A default context of this interpreter has no roots at all, so it verifies nobody: {why}."
    return Finding(False, "no_roots", text, (*facts.mends[:2], doctor))


def _no_issuer(facts: Facts) -> Finding:
    """Where the chain leads to nobody that is in the store: a root that is missing there, or a link that was not sent."""
    path = _path(facts.shown.chain)
    mends = tuple(cure(facts.roots))
    if not path:
        text = f"A root that vouches for {facts.target} is not in the store; which one, the server did not show a second time."
        return Finding(False, "unknown_root", text, mends)
    top = path[-1]
    often = "Often that is the CA of a company's TLS-inspection proxy, or of a private network."
    if top.is_self_issued:
        text = f"The root {named(top)}, {fingerprint(top)}, is not in the store. {often} {ASK}"
        return Finding(False, "unknown_root", text, mends)
    issuer = short(top.issuer) or "(no name)"
    if any(root.subject == top.issuer for root in facts.roots.shown):
        text = (
            f"The store has a root of the name {issuer}, but it has not signed {named(top)}: it may be an older or newer one."
        )
        return Finding(False, "unknown_root", f"{text} {often}", mends)
    if len(path) == 1 and top.issuers_at:
        text = f"The server does not send the certificate of {issuer}, an intermediate that has issued its own. Browsers fetch "
        text += (
            f"such a one (here from {short(top.issuers_at[0])}), and Python does not: whoever runs the server has to have it "
        )
        text += (
            f"send the whole chain (often fullchain.pem). Or else {issuer} is the root of a private network, and not in the "
        )
        text += "store."
        where = shlex.quote(str(facts.target))
        command = f"openssl s_client -showcerts -connect {where}"
        command += f" -starttls {facts.target.starttls}" if facts.target.starttls else ""
        show = Suggestion(f"{command} </dev/null", "Shows whoever runs the server what it sends:")
        return Finding(False, "missing_intermediate", text, (show, *mends))
    text = f"{issuer}, which has issued the certificate of {named(top)}, is not in the store. {often}"
    text += (
        " Get its certificate from who runs it." if len(path) > 1 else " It may also be that the server should send it, too."
    )
    return Finding(False, "unknown_root", text, mends)


def _path(chain: tuple[Certificate, ...]) -> list[Certificate]:
    """From the server's own certificate as far as each one's issuer was sent, in whatever order."""
    path = list(chain[:1])
    while path and not path[-1].is_self_issued:
        above = next((found for found in chain if found.subject == path[-1].issuer and found not in path), None)
        if above is None:
            break
        path.append(above)
    return path


def named(certificate: Certificate) -> str:
    """The subject of `certificate`, for a sentence."""
    return short(certificate.subject) or "(no name)"


def fingerprint(certificate: Certificate) -> str:
    """What tells it from any other."""
    return f"SHA-256 {certificate.sha256}"


def short(text: str) -> str:
    """`text` of a server, as far as anybody would read it."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
