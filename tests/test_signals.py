"""Ctrl-C in the middle of a first fallback: it passes, the context holds all or nothing, and the next load works."""

import os

import pytest
from support import NO_CAS, python

# A child of its own is interrupted at each line of the modules that keep the hook's state, when it is first run, and at so many
# points more, spread over all the lines that a first fallback runs.
STATE = ("_fallback.py", "_watch.py")
POINTS = 30

PROGRAM = """
import logging, os, signal, ssl, sys
import fallback_roots.auto
state, points = sys.argv[1].split(), int(sys.argv[2])
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is started to ignore it
logging.getLogger("fallback_roots").addHandler(logging.NullHandler())
ours = os.path.dirname(fallback_roots.auto.__file__)

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

ran, said, full = in_a_child(load)
stops = {ran.index(line) + 1 for line in ran if line[0] in state} | {*range(1, len(ran) + 1, len(ran) // points)}
print(len(stops), said, full)
for stop in sorted(stops):
    print(*in_a_child(lambda: (load(stop)[1:], load()[1:])))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each point is in a child of its own")
def test_ctrl_c() -> None:
    """Wherever in a first fallback the signal comes, it passes, with the whole fallback or none, and the next load has it."""
    env = {**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull}
    done = python("-c", PROGRAM, " ".join(STATE), str(POINTS), env=env)
    assert done.returncode == 0, done.stderr
    first, *points = done.stdout.splitlines()
    number, said, full = first.split()
    assert (len(points), said, int(full) > 0) == (int(number), "returned", True)
    assert int(number) > 2 * POINTS
    again = f"('returned', {full})"
    assert set(points) <= {f"('interrupted', 0) {again}", f"('interrupted', {full}) {again}"}
