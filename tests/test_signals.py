"""Ctrl-C in the middle of a first fallback: it passes, the context holds all or nothing, and the next load works."""

import os

import pytest
from support import NO_CAS, python

POINTS = 30  # at which a child of its own is interrupted, spread over all the lines that a first fallback runs

PROGRAM = """
import logging, os, signal, ssl, sys
import fallback_roots.auto
points, offset = map(int, sys.argv[1:])
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is started to ignore it
logging.getLogger("fallback_roots").addHandler(logging.NullHandler())
ours = os.path.dirname(fallback_roots.auto.__file__)

def load(stop=0):
    ran = 0
    def trace(frame, event, arg):
        nonlocal ran
        if not frame.f_code.co_filename.startswith(ours):
            return None
        if event == "line":
            ran += 1
            if ran == stop:
                signal.raise_signal(signal.SIGINT)
        return trace
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    sys.settrace(trace)
    try:
        context.load_default_certs()
        said = "returned"
    except KeyboardInterrupt:
        said = "interrupted"
    finally:
        sys.settrace(None)
    return ran, said, len(context.get_ca_certs())

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

lines, said, full = in_a_child(load)
print(lines, said, full)
step = lines // points
for stop in range(1 + offset * step // 2, lines + 1, step):
    print(*in_a_child(lambda: (load(stop)[1:], load()[1:])))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each point is in a child of its own")
@pytest.mark.parametrize("offset", [0, 1])
def test_ctrl_c(offset: int) -> None:
    """Wherever in a first fallback the signal comes, it passes, with the whole fallback or none, and the next load has it."""
    done = python("-c", PROGRAM, str(POINTS), str(offset), env={**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull})
    assert done.returncode == 0, done.stderr
    first, *points = done.stdout.splitlines()
    lines, said, full = first.split()
    assert (int(lines) > 4 * POINTS, said, int(full) > 0) == (True, "returned", True)
    assert len(points) >= POINTS - 1
    again = f"('returned', {full})"
    assert set(points) <= {f"('interrupted', 0) {again}", f"('interrupted', {full}) {again}"}
