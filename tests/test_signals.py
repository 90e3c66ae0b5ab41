"""A signal in the middle of our work: Ctrl-C, or a time limit whose handler raises, passes, and the next load works."""

import functools
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from support import NO_CAS, python

from fallback_roots import _is_the_programs

# A child of its own is interrupted at each line of the modules that keep the hook's state, when it is first run, and at so many
# points more, spread over all the lines that a first fallback runs.
STATE = ("_fallback.py", "_watch.py")
POINTS = 30

# The result of `work` in a child, which shares no state with the next one.
IN_A_CHILD = """
def in_a_child(work):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, repr(work()).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return eval(said)
"""
PROGRAM = """
import logging, os, signal, ssl, sys
import certifi, platformdirs, wrapt  # once, for all children: the signals come at lines of ours alone
import fallback_roots.auto
state, points, kind = sys.argv[1].split(), int(sys.argv[2]), sys.argv[3]
logging.getLogger("fallback_roots").addHandler(logging.NullHandler())
ours = os.path.dirname(fallback_roots.auto.__file__)

def limit(number, frame):
    raise TimeoutError

def once(number, frame):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise TimeoutError

# A job in the background is started to ignore it.
HANDLERS = {"KeyboardInterrupt": signal.default_int_handler, "TimeoutError": limit, "once": once}
signal.signal(signal.SIGINT, HANDLERS[kind])

def load(stop=0):
    ran = []
    def trace(frame, event, arg):
        if not frame.f_code.co_filename.startswith(ours):
            return None
        if event == "line":
            ran.append((os.path.basename(frame.f_code.co_filename), frame.f_lineno))
            if len(ran) == stop:
                signal.raise_signal(signal.SIGINT)
        return trace
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    sys.settrace(trace)
    try:
        context.load_default_certs()
        said = "returned"
    except (KeyboardInterrupt, TimeoutError):
        said = "interrupted"
    finally:
        sys.settrace(None)
    return ran, said, len(context.get_ca_certs())

ran, said, full = in_a_child(load)
stops = {ran.index(line) + 1 for line in ran if line[0] in state} | {*range(1, len(ran) + 1, max(1, len(ran) // points))}
print(len(stops), said, full)
for stop in sorted(stops):
    result = in_a_child(lambda: (load(stop)[1:], load()[1:]))
    print(*result, ran[stop - 1] if result[0][0] == "returned" else "")
"""


def points(kind: str, number: int, env: dict[str, str]) -> tuple[str, set[str]]:
    """What a load ends with that is not interrupted, and what those end with that are, and the next ones."""
    # Not measured: it has a trace function of its own.
    done = python("-c", IN_A_CHILD + PROGRAM, " ".join(STATE), str(number), kind, env=env, measured=False)
    assert done.returncode == 0, done.stderr
    first, *found = done.stdout.splitlines()
    stops, said, full = first.split()
    assert (len(found), said) == (int(stops), "returned")
    assert int(full) > 0
    return full, {line.strip() for line in found}


# What the handler raises. A TimeoutError is an Exception, as the time limits of job runners are, and an OSError.
KINDS = ["KeyboardInterrupt", "TimeoutError"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each point is in a child of its own")
@pytest.mark.parametrize("kind", KINDS)
def test_amid_a_first_fallback(kind: str, short_certifi: Path) -> None:
    """Wherever in a first fallback the signal comes, it passes, with the whole fallback or none, and the next load has it."""
    full, found = points(kind, POINTS, {**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull, "PYTHONPATH": str(short_certifi)})
    again = f"('returned', {full})"
    assert found <= {f"('interrupted', 0) {again}", f"('interrupted', {full}) {again}"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each point is in a child of its own")
@pytest.mark.parametrize("kind", ["TimeoutError", "once"])
def test_amid_a_healthy_load(kind: str, ca_file: Path) -> None:
    """Nor is it lost on a healthy machine, at any line of ours; nor if its handler takes itself off before it raises."""
    _, found = points(kind, 1000, {"SSL_CERT_FILE": str(ca_file)})
    assert found <= {"('interrupted', 0) ('returned', 1)", "('interrupted', 1) ('returned', 1)"}


IMPORTING = """
import os, signal, sys
import fallback_roots.auto
ours = os.path.dirname(fallback_roots.auto.__file__)

class Limit(Exception):
    pass

def limit(number, frame):
    raise Limit

signal.signal(signal.SIGINT, limit)

def load(stop):
    ran = 0
    def trace(frame, event, arg):
        nonlocal ran
        if not frame.f_code.co_filename.startswith(ours) or frame.f_locals.get("name") == "_socket":
            return None  # of that import PyCapsule_Import makes an ImportError, whatever it has raised
        if event == "line":
            ran += 1
            if ran == stop:
                signal.raise_signal(signal.SIGINT)
        return trace
    sys.settrace(trace)
    try:
        import ssl
        said = "returned"
    except Limit:
        said = "interrupted"
    finally:
        sys.settrace(None)
    return ran, said

lines = in_a_child(lambda: load(0))[0]
print(lines, *{in_a_child(lambda: load(stop))[1] for stop in range(1, lines + 1)})
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each point is in a child of its own")
def test_amid_the_import_of_ssl() -> None:
    """A time limit that comes while ssl is imported is not lost, at any line of ours."""
    done = python("-c", IN_A_CHILD + IMPORTING)
    lines, *said = done.stdout.split()
    assert (said, done.stderr) == (["interrupted"], "")
    assert int(lines) > 50


class Job:
    """Something with a time limit."""

    def end(self, *_: object) -> None:
        raise TimeoutError

    __call__ = end


HANDLERS: dict[str, Any] = {
    "a function": lambda *_: Job().end(),
    "a method": Job().end,
    "an object": Job(),
    "a partial": functools.partial(Job.end, Job()),
}


@pytest.mark.parametrize("name", HANDLERS)
def test_whose_an_exception_is(name: str) -> None:
    """An exception is the program's if a signal's handler is among the frames that it has come through."""
    before = signal.signal(signal.SIGUSR1, HANDLERS[name])
    try:
        with pytest.raises(TimeoutError) as raised:
            signal.raise_signal(signal.SIGUSR1)
    finally:
        handled = _is_the_programs(raised.value)
        signal.signal(signal.SIGUSR1, before)
    assert handled
    assert _is_the_programs(raised.value)  # though nobody handles the signal now


def helped(*_: object) -> None:
    raise TimeoutError


@pytest.mark.parametrize("given", ["nothing", "another frame", "no number"])
def test_whose_an_exception_is_not(given: str) -> None:
    """It is not where no handler is among the frames, whatever other frames a function was given."""
    frames: dict[str, list[object]] = {
        "nothing": [],
        "another frame": [1, sys._getframe(1)],
        "no number": [None, sys._getframe()],
    }
    with pytest.raises(TimeoutError) as raised:
        helped(*frames[given])
    assert not _is_the_programs(raised.value)
    assert not _is_the_programs(TimeoutError())
