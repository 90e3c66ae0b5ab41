"""Tier 3: records of the logger ``fallback_roots``; imports logging, and that only when somebody may hear it.

What lives here: one record for each process and reason, what it says of a fallback, and how it reaches a program that has not
set up logging.
"""

import os
import sys

from . import _is_the_programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from ._detect import Verdict
    from ._fallback import Outcome
    from ._watch import Site

EXPECTED = {"cafile": "a PEM bundle", "capath": "a hashed directory, as openssl rehash makes it", "certifi": "its roots"}


def info(said: "dict[str, object]", message: str) -> None:
    """Record `message` at INFO, once, if anybody can be listening.

    While nothing has imported logging nobody can, and importing it costs about as much as an interpreter start.
    """
    logging = sys.modules.get("logging")
    if logging is not None and is_complete(logging) and hasattr(logging, "getLogger") and _is_new(said, message):
        logging.getLogger("fallback_roots").info(plain(message))


def warning(said: "dict[str, object]", message: str, may_import: bool = True) -> None:
    """Record `message` at WARNING, once; without any handler it goes to standard error, as logging's last resort has it.

    `may_import`: False in a forked child where an import of logging could hang.
    """
    if not _is_new(said, message):
        return
    message = plain(message)
    try:
        if not may_import and not is_complete(sys.modules.get("logging")):
            raise ImportError
        import logging

        logger, resort = logging.getLogger("fallback_roots"), logging.lastResort
    except Exception as error:  # it may not be imported, is broken, or is a program's own module of that name
        if _is_the_programs(error):
            raise
        if not _write(message):
            print(message, file=sys.stderr)
        return
    # A last resort that somebody has replaced, or switched off with None, is theirs.
    if not logger.hasHandlers() and resort is not None and type(resort).__name__ == "_StderrHandler":
        record = logger.makeRecord(logger.name, logging.WARNING, "", 0, message, (), None)
        silent = not logger.isEnabledFor(record.levelno) or record.levelno < resort.level
        if silent or not logger.filter(record) or not resort.filter(record) or _write(resort.format(record)):
            return
    logger.warning(message)


def plain(text: object) -> str:
    """`text` on one line, without what a terminal would obey: a path may hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def _is_new(said: "dict[str, object]", message: str) -> bool:
    """Whether nobody has said `message` yet: one step, since no lock may be held while a handler runs."""
    mine = object()
    return said.setdefault(message, mine) is mine


def is_complete(module: "ModuleType | None") -> bool:
    """Whether `module` has been imported to its end."""
    return module is not None and not getattr(module.__spec__, "_initializing", False)


def _write(message: str) -> bool:
    """Write to standard error's descriptor; False where a stream of the program's own stands there (a test's, an IDE's), or
    that of a console of Windows.

    Not through the stream: what a full disk leaves in its buffer makes the interpreter exit with 120.
    """
    stream: "Any" = sys.stderr
    if stream is None:  # it was closed: nobody will hear it
        return True
    standard: "Any" = sys.__stderr__
    if stream is not standard:
        return False
    try:
        if sys.platform == "win32" and stream.isatty():  # a console takes bytes by its code page, and the stream text
            return False
        stream.flush()  # what was written before comes out before
        os.write(stream.fileno(), (message + "\n").encode(stream.encoding, "backslashreplace"))
    except (OSError, ValueError) as error:  # full; closed
        if _is_the_programs(error):
            raise
    return True


def tell(site: "Site", outcome: "Outcome", verdict: "Verdict") -> None:
    """Make the record; a handler may make a default context of its own (logging's HTTPHandler), which has the fallback."""
    said, settings = site.hook.said, site.hook.settings
    if outcome.code == "disabled":
        return
    origins = settings.origins if settings is not None else {}
    broken = {source.kind: origins.get(source.kind, "default") for source in outcome.sources if source.problem}
    said_by = [
        f"{kind} is set by {origin} (expected {EXPECTED[kind]})" for kind, origin in broken.items() if origin != "default"
    ]
    sentence = _sentence(outcome, verdict, said_by)
    if outcome.problems or _unkept(verdict):
        # Where something failed to import, or may never be imported, logging might be next.
        warning(said, sentence, may_import=outcome.code != "fault")
    else:
        info(said, sentence)


def _unkept(verdict: "Verdict") -> list[str]:
    """What is wrong with the variables by which somebody meant to name roots."""
    return [f"{place.origin}={place.path} {place.why}" for place in verdict.places if place.origin != "compiled-in"]


def _sentence(outcome: "Outcome", verdict: "Verdict", said_by: "list[str]") -> str:
    loaded = [
        f"{'an unknown number of' if source.certificates is None else source.certificates} "
        f"root{'s' * (source.certificates != 1)} from {source.kind}"
        + (f" ({source.path})" if source.path else "")
        + (f", lazily ({source.directory})" if source.directory else "")
        for source in outcome.sources
        if source.certificates != 0
    ]
    notes = dict.fromkeys(source.note for source in outcome.sources if source.note)
    parts = _unkept(verdict) + said_by + list(outcome.problems) + list(notes)
    if outcome.code == "honored":
        parts.append("honor_ssl_env is set")
    if outcome.code == "none":
        parts.append("certifi = false, and no other source is set")
    result = "loaded " + " and ".join(loaded) if loaded else "no roots loaded"
    return f"fallback-roots: Python's default CA load found no certificate; {result}" + "".join(f"; {part}" for part in parts)
