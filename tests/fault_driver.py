"""Makes every call that leaves our package fail in turn; `test_faults.py` starts it, on a machine without CA certificates.

A profile function sees each call from a frame of ours into code that is not: the first run lists them, and then each is made
to raise, in a fork of its own. Nobody keeps a list of the calls by hand, so a new one is covered.

Arguments: ``all``, ``some`` or ``few`` faults; ``cold`` or ``warm`` (all modules that a fallback needs are imported before);
numbers of roots that a context may hold after a fault, and the last of them is that of the whole fallback. ``SERVER`` may
name a server's certificate and key: a context that holds nothing and verifies it has one root, lazily. ``CACHES`` may name a
directory: each fork has a cache of its own in it. Prints one line for each offence, and a last one with the number of faults.
Interrupts and a signal handler's time limit must reach the program, nothing else may.
"""

import os
import shutil
import signal
import ssl
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import handshakes

import fallback_roots

FILES = frozenset(map(str, Path(fallback_roots.__file__).parent.rglob("*.py")))
OURS = ("_certifi", "_config", "_fallback", "_lazy", "_patch", "_rehash", "_say", "_settings", "_sources")
Site = tuple[str, int, str]


class Limit(TimeoutError):  # noqa: N818  # it is no error
    """A time limit, which a signal's handler raises; an OSError, of which there are so many."""


def limit() -> BaseException:
    """Does not return."""
    signal.raise_signal(signal.SIGUSR1)
    return AssertionError("the handler raises")


def end(*_: object) -> None:
    """The handler."""
    raise Limit


PASSING: list[Callable[[], BaseException]] = [KeyboardInterrupt, limit, lambda: SystemExit(3)]
SWALLOWED: list[Callable[[], BaseException]] = [
    lambda: OSError(24, "Too many open files"),
    lambda: OSError(13, "Permission denied"),
    MemoryError,
    lambda: ImportError("injected"),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "injected"),
    RecursionError,
    lambda: ZeroDivisionError("injected"),
]


def ours(code: CodeType) -> bool:
    """Whether `code` is of our package, and on the road of a load."""
    # `_is_the_programs` asks who has raised an exception, and must not take one of its own for an answer.
    return code.co_filename in FILES and code.co_name not in ("<module>", "__call__", "_is_the_programs")


class Profile:
    """Notes the calls that leave our package, and raises `fault` at the one that `chosen` names."""

    def __init__(self, chosen: Site | None = None, fault: Callable[[], BaseException] | None = None) -> None:
        self.sites: dict[Site, None] = {}  # in their order
        self.chosen = chosen
        self.fault = fault

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call":
            caller = frame
        elif event == "call" and frame.f_back is not None and frame.f_code.co_filename not in FILES:
            caller = frame.f_back
        else:
            return
        if not ours(caller.f_code):
            return
        name = getattr(arg, "__qualname__", repr(arg)) if event == "c_call" else frame.f_code.co_name
        if name in ("load_default_certs", "create_default_context"):  # the original, whose exceptions are the program's
            return
        site = (os.path.basename(caller.f_code.co_filename), caller.f_lineno, name)  # noqa: PTH119  # a tenth of a Path's time
        if site not in self.sites:
            self.sites[site] = None
            if site == self.chosen and self.fault is not None:
                raise self.fault()


def roots(context: ssl.SSLContext) -> int:
    """How many roots `context` holds, or else by how many it verifies the server."""
    return len(context.get_ca_certs(binary_form=True)) or int(verifies(context))


def verifies(context: ssl.SSLContext) -> bool:
    """Whether a handshake with the server of ``SERVER`` comes to its end."""
    if "SERVER" not in os.environ:
        return False
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(os.environ["SERVER"])
    return handshakes.verifies(context, server)


def load(profile: Profile) -> ssl.SSLContext:
    """A default load, watched."""
    sys.setprofile(profile)
    try:
        return ssl.create_default_context()
    finally:
        sys.setprofile(None)


def offences(site: Site, fault: Callable[[], BaseException], passes: bool, allowed: list[int]) -> list[str]:
    """What goes wrong when `site` raises `fault`: nothing should."""
    found = []
    profile = Profile(site, fault)
    try:
        held = roots(load(profile))
    except BaseException as error:  # noqa: BLE001  # what has been injected, or what should not be
        if not passes or type(error) is not (Limit if fault is limit else type(fault())):
            found.append(f"raised {traceback.format_exc()}")
    else:
        if passes:
            found.append("was swallowed")
        if held not in allowed:
            found.append(f"gives {held} roots")
    again = roots(ssl.create_default_context())
    if again != allowed[-1]:
        found.append(f"the next load gives {again} roots")
    return found


def in_a_fork(job: Callable[[], list[str]]) -> list[str]:
    """The result of `job` in a child, which shares no state with the next one."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        if "CACHES" in os.environ:
            os.environ["FALLBACK_ROOTS_CACHE"] = f"{os.environ['CACHES']}/{os.getpid()}"
        try:
            said = job()
        except BaseException:  # noqa: BLE001  # the parent reports it
            said = [traceback.format_exc()]
        if "CACHES" in os.environ:
            shutil.rmtree(os.environ["FALLBACK_ROOTS_CACHE"], ignore_errors=True)
        with os.fdopen(writing, "w") as pipe:
            pipe.write("\0".join(said))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text.split("\0") if text else []


def list_sites() -> list[str]:
    """The calls of a first load, as text."""
    profile = Profile()
    load(profile)
    return ["|".join(map(str, site)) for site in profile.sites]


def main(faults_wanted: str, warm: str, *allowed: str) -> None:
    """Every site with every fault."""
    faults = [(fault, True) for fault in PASSING] + [(fault, False) for fault in SWALLOWED]
    if faults_wanted == "some":
        faults = [faults[0], faults[1], faults[3], faults[-1]]
    if faults_wanted == "few":
        faults = [faults[0], faults[4]]
    signal.signal(signal.SIGUSR1, end)
    if warm == "warm":
        toml = "tomllib" if sys.version_info >= (3, 11) else "tomli"
        for name in ("certifi", "logging", "platformdirs", "wrapt", toml, *(f"fallback_roots.{name}" for name in OURS)):
            __import__(name)
    in_a_fork(list_sites)  # what one process leaves for the next, a lazy fallback's directory, is there from now on
    listed = [site.split("|") for site in in_a_fork(list_sites)]
    jobs = [((name, int(line), callee), *fault) for name, line, callee in listed for fault in faults]
    for site, fault, passes in jobs:
        for offence in in_a_fork(lambda: offences(site, fault, passes, [int(number) for number in allowed])):  # noqa: B023  # now
            print(f"{site} {'Limit' if fault is limit else repr(fault())}: {offence}")
    print(len(jobs))


if __name__ == "__main__":
    main(*sys.argv[1:])
