"""What stays true of ssl while we are in it, in both layers; putting the wrapt layer in, and taking everything off."""

import copy
import functools
import inspect
import os
import pickle
import pydoc
import sys
import types
import typing
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import wrapt
from support import NO_CAS, output, python
from test_doors import Copy, copied_ssl, roots

from fallback_roots import _patch, _watch, auto

DOORS = ("load_default_certs", "create_default_context")
PICKLERS: dict[str, tuple[Callable[..., bytes], Callable[[bytes], Any]]] = {
    "C": (pickle.dumps, pickle.loads),
    "Python": (pickle._dumps, pickle._loads),  # type: ignore[attr-defined]  # not in typeshed
}


@pytest.fixture(autouse=True)
def no_cas(ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without CA certificates, and a fallback that is one CA."""
    for name, value in {**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull, "FALLBACK_ROOTS_CAFILE": str(ca_file)}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["stand-in", "wrapt"])
def layer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Copy:
    """A copy of ssl in either layer."""
    copied = copied_ssl(monkeypatch)
    if request.param == "wrapt":
        _patch.wrap(copied.site)
    return copied


@pytest.fixture(params=DOORS)
def name(request: pytest.FixtureRequest) -> str:
    """One of the two functions' names."""
    return str(request.param)


def test_the_layers_are_what_they_are_called(layer: Copy, request: pytest.FixtureRequest, name: str) -> None:
    """The stand-ins stand in the first layer, and wrapt's wrappers in the second."""
    expected = _patch.Wrapper if "wrapt" in request.node.name else _watch.StandIn
    assert type(vars(layer.site.holder(name))[name]) is expected


class Pair(typing.NamedTuple):
    """What stands in a place, and the original that it stands for."""

    placed: Any
    original: Any


@pytest.fixture
def pair(layer: Copy, name: str) -> Pair:
    """One of the two functions in either layer."""
    return Pair(getattr(layer.site.holder(name), name), layer.site.originals[name])


@pytest.mark.parametrize("pickler", PICKLERS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling(pickler: str, protocol: int, pair: Pair) -> None:
    """Either function is pickled by its name, byte for byte as the original is, and is itself again."""
    dumps, loads = PICKLERS[pickler]
    pickled = dumps(pair.placed, protocol)
    assert loads(pickled) is pair.placed
    assert b"fallback_roots" not in pickled
    assert b"wrapt" not in pickled
    assert b"pkgutil" not in pickled


def test_copying(pair: Pair) -> None:
    """A function is its own copy, a deep one, too."""
    assert copy.copy(pair.placed) is pair.placed
    assert copy.deepcopy(pair.placed) is pair.placed
    assert copy.deepcopy([pair.placed])[0] is pair.placed


TOLD = {
    "__name__": lambda function: function.__name__,
    "__qualname__": lambda function: function.__qualname__,
    "__module__": lambda function: function.__module__,
    "__doc__": lambda function: function.__doc__,
    "__defaults__": lambda function: function.__defaults__,
    "__kwdefaults__": lambda function: function.__kwdefaults__,
    "__annotations__": lambda function: function.__annotations__,
    "__code__": lambda function: function.__code__,
    "__globals__": lambda function: function.__globals__,
    "__closure__": lambda function: function.__closure__,
    "__class__": lambda function: function.__class__,
    "__dict__": lambda function: dict(function.__dict__),
    "vars()": lambda function: dict(vars(function)),
    "dir()": lambda function: set(dir(function)) - {"__wrapped__"},
    "repr()": repr,
    "str()": str,
    "callable()": callable,
    "bool()": bool,
    "inspect.signature": inspect.signature,
    "inspect.getfullargspec": inspect.getfullargspec,
    "inspect.getsource": inspect.getsource,
    "inspect.getsourcelines": inspect.getsourcelines,
    "inspect.getsourcefile": inspect.getsourcefile,
    "inspect.getfile": inspect.getfile,
    "inspect.getmodule": inspect.getmodule,
    "inspect.getdoc": inspect.getdoc,
    "inspect.isfunction": inspect.isfunction,
    "inspect.isroutine": inspect.isroutine,
    "inspect.ismethod": inspect.ismethod,
    "inspect.isclass": inspect.isclass,
    "inspect.iscoroutinefunction": inspect.iscoroutinefunction,
    "isinstance FunctionType": lambda function: isinstance(function, types.FunctionType),
    "typing.get_type_hints": typing.get_type_hints,
    "pydoc.render_doc": pydoc.render_doc,
}


@pytest.mark.parametrize("ask", TOLD.values(), ids=TOLD)
def test_what_it_tells_of_itself(ask: Callable[[Any], Any], pair: Pair) -> None:
    """Whoever asks is told what the original tells."""
    assert ask(pair.placed) == ask(pair.original)


def test_help(layer: Copy, pair: Pair) -> None:
    """help() of the function, of its class and of the module read as without us."""
    subjects = [layer.ssl.SSLContext, layer.ssl]
    ours = [pydoc.plain(pydoc.render_doc(subject)) for subject in subjects]
    for door in DOORS:
        setattr(layer.site.holder(door), door, layer.site.originals[door])
    assert ours == [pydoc.plain(pydoc.render_doc(subject)) for subject in subjects]
    assert pydoc.plain(pydoc.render_doc(pair.placed)) == pydoc.plain(pydoc.render_doc(pair.original))


def test_what_is_wrapped(pair: Pair) -> None:
    """__wrapped__ is the original, and so is what inspect.unwrap finds."""
    assert pair.placed.__wrapped__ is pair.original
    assert inspect.unwrap(pair.placed) is pair.original


def test_attributes_are_set_on_the_original(pair: Pair) -> None:
    """An attribute that somebody sets is there in the next layer and after uninstall(), and so is its absence."""
    pair.placed.somebody = "x"
    assert (pair.placed.somebody, pair.original.somebody) == ("x", "x")
    del pair.placed.somebody
    assert not hasattr(pair.placed, "somebody")
    assert not hasattr(pair.original, "somebody")


@pytest.mark.parametrize("attribute", ["__doc__", "__name__", "__qualname__", "__module__", "__defaults__"])
def test_what_is_told_can_be_set(attribute: str, pair: Pair) -> None:
    """So it is with those that every function has."""
    value: Any = ("x",) if attribute == "__defaults__" else "x"
    setattr(pair.placed, attribute, value)
    assert (getattr(pair.placed, attribute), getattr(pair.original, attribute)) == (value, value)


def test_functools_wraps(pair: Pair) -> None:
    """A decorator's function made with functools.wraps is the same over us as over the original."""
    made = []
    for function in pair:

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> None:
            pass

        told = {**vars(wrapper), "__wrapped__": None}
        made.append(
            (told, wrapper.__name__, wrapper.__qualname__, wrapper.__module__, wrapper.__doc__, wrapper.__annotations__)
        )
        assert inspect.signature(wrapper) == inspect.signature(pair.original)
    assert made[0] == made[1]


def test_weak_references(pair: Pair) -> None:
    """It can be referred to weakly, as every function can."""
    assert weakref.ref(pair.placed)() is pair.placed


def test_a_mock_made_after_it(pair: Pair) -> None:
    """A mock with its signature refuses what the original would refuse."""
    made = mock.create_autospec(pair.placed)
    with pytest.raises(TypeError, match="argument"):
        made(1, 2, 3, 4, 5)


def test_equality_and_hash(pair: Pair) -> None:
    """It is equal to itself and can be a key."""
    assert [pair.placed] == [pair.placed]
    assert {pair.placed: 1}[pair.placed] == 1
    assert pair.placed != 1


# ---------------------------------------------------------------- the bound method


@pytest.fixture
def context(layer: Copy) -> Any:
    """A client's context."""
    return layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT)


BOUND = {
    name: ask
    for name, ask in TOLD.items()
    if name not in ("__class__", "__dict__", "vars()", "dir()", "isinstance FunctionType")
}


@pytest.mark.parametrize("ask", BOUND.values(), ids=BOUND)
def test_what_a_bound_method_tells_of_itself(ask: Callable[[Any], Any], context: Any, layer: Copy) -> None:
    """Whoever asks the bound method is told what the original's tells."""
    bound = context.load_default_certs
    original = types.MethodType(layer.site.originals["load_default_certs"], context)
    assert ask(bound) == ask(original)


def test_a_bound_method_is_bound(context: Any, layer: Copy) -> None:
    """It knows its context and its function, is equal to another of the same context alone, and can be a key."""
    bound = context.load_default_certs
    assert bound.__self__ is context
    assert inspect.unwrap(bound.__func__) is layer.site.originals["load_default_certs"]
    assert bound == context.load_default_certs
    assert bound != layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT).load_default_certs
    assert {bound: 1}[context.load_default_certs] == 1
    assert isinstance(bound, types.MethodType)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_bound_method_pickles_as_far_as_its_context_does(protocol: int, layer: Copy) -> None:
    """A context refuses to be pickled, and so its method does; that of a subclass which does not is itself again."""
    with pytest.raises(TypeError, match="SSLContext"):
        pickle.dumps(layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT).load_default_certs, protocol)
    bound = picklable(layer).load_default_certs
    for dumps, loads in PICKLERS.values():
        again = loads(dumps(bound, protocol))
        assert again.__self__ is bound.__self__
        assert again == bound


def test_a_bound_method_is_held_weakly(context: Any) -> None:
    """A weak reference to it gives it again, while its context lives."""
    weak = weakref.WeakMethod(context.load_default_certs)
    assert weak() == context.load_default_certs
    assert getattr(weak(), "__func__", None) is type(context).load_default_certs


def picklable(layer: Copy) -> Any:
    """A context that is pickled as the name of a global, and deep-copied as itself."""

    class Sub(layer.ssl.SSLContext):  # type: ignore[misc,name-defined]  # the copy's class is Any
        def __reduce__(self) -> str:
            return "one_and_only"

        def __deepcopy__(self, memo: Any) -> Any:
            return self

    Sub.__module__ = layer.ssl.__name__
    layer.ssl.one_and_only = Sub(layer.ssl.PROTOCOL_TLS_CLIENT)
    return layer.ssl.one_and_only


def test_a_bound_method_copies_as_far_as_its_context_does(layer: Copy) -> None:
    """A copy is the same method; a deep copy is that of a copied context."""
    context = layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT)
    assert copy.copy(context.load_default_certs) == context.load_default_certs
    with pytest.raises(TypeError, match="SSLContext"):
        copy.deepcopy(context.load_default_certs)
    bound = picklable(layer).load_default_certs
    assert copy.deepcopy(bound) == bound


def test_the_class_and_subclasses_have_it(layer: Copy) -> None:
    """Looked up on the class a function is one and the same object, and a subclass inherits it."""
    sub: Any = type("Sub", (layer.ssl.SSLContext,), {})
    assert sub.load_default_certs is layer.ssl.SSLContext.load_default_certs is layer.ssl.SSLContext.load_default_certs
    assert "load_default_certs" in vars(layer.ssl.SSLContext)
    assert "load_default_certs" not in vars(sub)


# ---------------------------------------------------------------- what somebody holds


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_stand_in_that_somebody_holds(protocol: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in held since before the wrapt layer still pickles, to what stands there now, copies, and does its work."""
    copied = copied_ssl(monkeypatch)
    held = getattr(copied.site.holder(name), name)
    _patch.wrap(copied.site)
    now = getattr(copied.site.holder(name), name)
    assert now is not held
    for dumps, loads in PICKLERS.values():
        assert loads(dumps(held, protocol)) is now
    assert copy.copy(held) is copy.deepcopy(held) is held
    context = copied.ssl.SSLContext(copied.ssl.PROTOCOL_TLS_CLIENT)
    made = held(context) if name == "load_default_certs" else held()
    assert roots(made or context) == 1


def test_what_somebody_holds_pickles_from_under_another_wrapper(layer: Copy, name: str) -> None:
    """What has been replaced by somebody pickles as its name, to what stands there now."""
    held = getattr(layer.site.holder(name), name)
    on_top = wrapt.FunctionWrapper(held, lambda wrapped, _, args, kwargs: wrapped(*args, **kwargs))
    setattr(layer.site.holder(name), name, on_top)
    for dumps, loads in PICKLERS.values():
        again = loads(dumps(held))
        assert again.__wrapped__ is held


# ---------------------------------------------------------------- putting it in


def test_wrapping_twice_is_wrapping_once(layer: Copy, name: str) -> None:
    """A second time changes nothing."""
    _patch.wrap(layer.site)
    placed = vars(layer.site.holder(name))[name]
    _patch.wrap(layer.site)
    assert vars(layer.site.holder(name))[name] is placed
    assert placed.__wrapped__ is layer.site.originals[name]


def test_a_stand_in_that_somebody_has_wrapped_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does the same work; to put anything over somebody else's wrapper would change their order."""
    copied = copied_ssl(monkeypatch)
    standing = copied.site.placed[name]

    def on_top(*args: Any, **kwargs: Any) -> Any:
        return standing(*args, **kwargs)

    setattr(copied.site.holder(name), name, on_top)
    _patch.wrap(copied.site)
    assert vars(copied.site.holder(name))[name] is on_top
    assert copied.site.placed[name] is standing
    assert roots(copied.ssl.create_default_context()) == 1


# ---------------------------------------------------------------- in a process of its own

PROCESS = """
import logging, ssl, sys, warnings
import fallback_roots

DOORS = ((ssl.SSLContext, "load_default_certs"), (ssl, "create_default_context"))

def standing():
    return [vars(holder)[name] for holder, name in DOORS]

def kinds():
    return [type(thing).__name__ for thing in standing()]

def roots():
    return len(ssl.create_default_context().get_ca_certs())

def finders():
    return [type(finder).__module__ for finder in sys.meta_path if "fallback" in type(finder).__module__]
"""


@pytest.fixture
def run(ca_file: Path) -> Callable[..., list[str]]:
    """Runs a program that begins with the above, on a machine without CA certificates; its standard output, by line."""

    def run(program: str, **env: str) -> list[str]:
        quiet = {"FALLBACK_ROOTS_CONFIG": os.devnull, "FALLBACK_ROOTS_CAFILE": str(ca_file)}
        head = "import logging; logging.getLogger('fallback_roots').addHandler(logging.NullHandler())\n"
        return output("-c", head + PROCESS + program, env={**NO_CAS, **quiet, **env}).splitlines()

    return run


def test_install_and_uninstall(run: Callable[..., list[str]]) -> None:
    """install() puts the wrappers in, a second time changes nothing; uninstall() leaves nothing, and both can be repeated."""
    program = """
print(kinds(), fallback_roots.status().state)
for _ in range(2):
    fallback_roots.install()
    placed = standing()
    fallback_roots.install()
    print(kinds(), standing() == placed, finders(), fallback_roots.status().state)
    print(roots())
    for _ in range(2):
        fallback_roots.uninstall()
        print(kinds(), finders(), fallback_roots.status().state)
    print(roots(), ssl.SSLContext.load_default_certs.__code__.co_filename == ssl.__file__)
"""
    once = [
        "['Wrapper', 'Wrapper'] True ['fallback_roots.auto'] patched",
        "1",
        "['function', 'function'] [] absent",
        "['function', 'function'] [] absent",
        "0 True",
    ]
    assert run(program) == ["['StandIn', 'StandIn'] watching", *once, *once]


def test_install_imports_ssl() -> None:
    """install() in a process that has not imported ssl does so, and patches it."""
    program = """
print("ssl" in sys.modules)
fallback_roots.install()
print(type(sys.modules["ssl"].create_default_context).__name__, fallback_roots.status().state)
"""
    assert output("-c", "import sys, fallback_roots\n" + program, env=NO_CAS).splitlines() == ["False", "Wrapper patched"]


def test_install_after_somebodys_finder_gave_ssl() -> None:
    """install() takes position in an ssl that a finder before ours has given, so that nothing has told us of it."""
    program = """
import importlib.machinery, sys, fallback_roots
sys.meta_path.insert(0, importlib.machinery.PathFinder)
import ssl
print(type(ssl.create_default_context).__name__, fallback_roots.status().state)
fallback_roots.install()
print(type(ssl.create_default_context).__name__, fallback_roots.status().state)
"""
    assert output("-c", program, env=NO_CAS).splitlines() == ["function armed", "Wrapper patched"]


def test_install_where_it_is_disabled(run: Callable[..., list[str]]) -> None:
    """Where FALLBACK_ROOTS_DISABLE says so install() does nothing, and uninstall() has nothing to take off."""
    program = """
fallback_roots.install()
fallback_roots.uninstall()
print(kinds(), finders(), fallback_roots.status(), "wrapt" in sys.modules)
"""
    (line,) = run(program, FALLBACK_ROOTS_DISABLE="1")
    assert line == "['function', 'function'] [] Status(state='disabled', verdict=None, found=None, outcome=None) True"


def test_install_where_it_cannot(run: Callable[..., list[str]]) -> None:
    """install() says why it cannot: no ssl, or one that is not the standard library's."""
    program = """
import types
fallback_roots.uninstall()
other = types.ModuleType("ssl")
classes = (3, type("SSLContext", (), {}), type("SSLContext", (), {"load_default_certs": print}))
for module in (None, other, other, other, other):
    if sys.modules["ssl"] is other:
        other.SSLContext, *classes = classes
    sys.modules["ssl"] = module
    try:
        fallback_roots.install()
    except fallback_roots.FallbackRootsError as error:
        print(type(error).__name__, error, type(error.__cause__).__name__)
    fallback_roots.uninstall()
"""
    missing, *others = run(program)
    assert missing.startswith("FallbackRootsError ssl cannot be imported: ")
    assert missing.endswith("ModuleNotFoundError")
    assert others == ["FallbackRootsError <module 'ssl'> is not the standard library's module made of _ssl NoneType"] * 4


def test_install_where_an_audit_hook_refuses(run: Callable[..., list[str]]) -> None:
    """Whoever raises at the audit event of arming gets an error from install(), and nothing in ssl."""
    program = """
def refuse(event, args):
    if event == "fallback_roots.arm":
        raise RuntimeError("refused")
fallback_roots.uninstall()
sys.addaudithook(refuse)
try:
    fallback_roots.install()
except fallback_roots.FallbackRootsError:
    print(kinds(), finders())
"""
    assert run(program) == ["['function', 'function'] []"]


def test_uninstall_splices_out_from_under_a_wrapt_wrapper(run: Callable[..., list[str]]) -> None:
    """From under somebody's wrapt wrapper we are taken out, in both layers, and theirs goes on around the original."""
    program = """
import wrapt
calls = []
def note(wrapped, instance, args, kwargs):
    calls.append(wrapped.__name__)
    return wrapped(*args, **kwargs)

for layer in ("stand-in", "wrapt"):
    if layer == "wrapt":
        fallback_roots.install()
    mine = standing()
    for holder, name in DOORS:
        setattr(holder, name, wrapt.FunctionWrapper(wrapt.FunctionWrapper(vars(holder)[name], note), note))
    fallback_roots.uninstall()
    for thing in standing():
        chain = []
        while hasattr(thing, "__wrapped__"):
            chain.append(type(thing).__name__)
            thing = thing.__wrapped__
        print(chain)
    print(roots(), calls)
    for (holder, name), thing in zip(DOORS, mine):
        setattr(holder, name, thing.__wrapped__)
    calls.clear()
"""
    chain, called = "['FunctionWrapper', 'FunctionWrapper']", ["create_default_context"] * 2 + ["load_default_certs"] * 2
    assert run(program) == [chain, chain, f"0 {called}"] * 2


def test_uninstall_under_a_closure_leaves_us_inert(run: Callable[..., list[str]]) -> None:
    """From under somebody's plain function we cannot be taken out, and are the original in effect. Whoever installs us again
    finds that function there before us, whose load may find what cannot be seen."""
    program = """
def closure(function):
    return lambda *args, **kwargs: function(*args, **kwargs)

for layer in ("stand-in", "wrapt"):
    if layer == "wrapt":
        fallback_roots.install()
    held = standing()
    for holder, name in DOORS:
        setattr(holder, name, closure(vars(holder)[name]))
    on_top = standing()
    fallback_roots.uninstall()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    held[0](context)
    print(standing() == on_top, roots(), len(held[1]().get_ca_certs()), len(context.get_ca_certs()))
    fallback_roots.install()
    print(roots(), fallback_roots.status().state)
    fallback_roots.uninstall()
"""
    assert run(program) == ["True 0 0 0", "0 patched"] * 2


def test_uninstall_after_it_was_replaced_altogether(run: Callable[..., list[str]]) -> None:
    """What somebody has put in our place and does not lead to us stays as it is."""
    program = """
def other(*args, **kwargs):
    return None
for holder, name in DOORS:
    setattr(holder, name, other)
fallback_roots.uninstall()
print(standing() == [other, other], finders())
"""
    assert run(program) == ["True []"]


def test_uninstall_without_wrapts_unwrap_object(run: Callable[..., list[str]]) -> None:
    """An older wrapt has no unwrap_object: then we stay under somebody's wrapper, and are off."""
    program = """
import wrapt
if hasattr(wrapt, "unwrap_object"):
    del wrapt.unwrap_object
fallback_roots.uninstall()
print(kinds(), roots())
fallback_roots.install()
for holder, name in DOORS:
    setattr(holder, name, wrapt.FunctionWrapper(vars(holder)[name], lambda wrapped, _, args, kwargs: wrapped(*args, **kwargs)))
fallback_roots.uninstall()
print(kinds(), roots())
"""
    assert run(program) == ["['function', 'function'] 0", "['FunctionWrapper', 'FunctionWrapper'] 0"]


def test_uninstall_while_ssl_is_not_imported() -> None:
    """Armed and no more, the hook is taken off, and ssl comes as without us."""
    program = """
import sys, fallback_roots
print(fallback_roots.status().state)
fallback_roots.uninstall()
import ssl
print(fallback_roots.status().state, type(ssl.create_default_context).__name__)
"""
    assert output("-c", program, env=NO_CAS).splitlines() == ["armed", "absent function"]


def test_the_first_empty_load_patches_once(run: Callable[..., list[str]]) -> None:
    """One audit event and one import of wrapt, with the first empty load, and none before or after."""
    program = """
events = []
sys.addaudithook(lambda event, args: event.startswith("fallback_roots.") and events.append((event, *args)))
print(kinds(), "wrapt" in sys.modules)
print([roots() for _ in range(3)], kinds(), "wrapt" in sys.modules)
fallback_roots.install()
print([event for event in events if event[0] != "fallback_roots.load"])
"""
    assert run(program) == [
        "['StandIn', 'StandIn'] False",
        "[1, 1, 1] ['Wrapper', 'Wrapper'] True",
        "[('fallback_roots.patch',)]",
    ]


WITHOUT_WRAPT = {
    "missing": "raise ModuleNotFoundError('No module named wrapt')",
    "out of memory": "raise MemoryError('no memory')",
    "too old": "return types.ModuleType('wrapt')",
    "broken": "raise SyntaxError('invalid syntax')",
}


@pytest.mark.parametrize("fault", WITHOUT_WRAPT)
def test_without_wrapt(fault: str, run: Callable[..., list[str]]) -> None:
    """That wrapt fails costs nobody the fallback: the stand-ins stay, and one WARNING says so."""
    program = f"""
import builtins, types
original = builtins.__import__
def failing(name, *args, **kwargs):
    if name == "wrapt":
        {WITHOUT_WRAPT[fault]}
    return original(name, *args, **kwargs)
builtins.__import__ = failing
records = []
handler = logging.Handler()
handler.emit = lambda record: records.append(record.levelname + " " + record.getMessage())
logging.getLogger("fallback_roots").addHandler(handler)
print([roots() for _ in range(3)], kinds(), fallback_roots.status().state, fallback_roots.status().outcome.code)
print(*[record for record in records if "wrapt" in record], sep="\\n")
"""
    loads, warning = run(program)
    assert loads == "[1, 1, 1] ['StandIn', 'StandIn'] watching loaded"
    assert warning.startswith("WARNING fallback-roots: wrapt failed, and is done without (")


def test_an_audit_hook_may_refuse_the_patch(run: Callable[..., list[str]]) -> None:
    """Whoever raises at the audit event keeps the stand-ins, with which everything works."""
    program = """
def refuse(event, args):
    if event == "fallback_roots.patch":
        raise RuntimeError("refused")
sys.addaudithook(refuse)
print([roots() for _ in range(2)], kinds())
"""
    assert run(program) == ["[1, 1] ['StandIn', 'StandIn']"]


def test_reload_of_ssl(run: Callable[..., list[str]]) -> None:
    """importlib.reload(ssl) gives new functions, which we watch again in either layer; old ones still do their work."""
    program = """
import importlib, pickle, copy
for layer in ("stand-in", "wrapt"):
    held = standing()
    spec, loader = ssl.__spec__, type(ssl.__loader__).__name__
    assert importlib.reload(ssl) is ssl
    DOORS = ((ssl.SSLContext, "load_default_certs"), (ssl, "create_default_context"))
    print(kinds(), standing() != held, type(ssl.__loader__).__name__ == loader, type(ssl.__spec__.loader).__name__ == loader)
    print([pickle.loads(pickle.dumps(thing)) is copy.deepcopy(thing) is thing for thing in standing()])
    print(len(held[1](ssl.Purpose.SERVER_AUTH).get_ca_certs()), roots(), kinds(), len(finders()))
fallback_roots.uninstall()
print(kinds(), roots(), len(held[1](ssl.Purpose.SERVER_AUTH).get_ca_certs()))
"""
    once = ["['StandIn', 'StandIn'] True True True", "[True, True]", "1 1 ['Wrapper', 'Wrapper'] 1"]
    assert run(program) == [*once, *once, "['function', 'function'] 0 0"]


def test_reloads_leave_nothing_behind(run: Callable[..., list[str]]) -> None:
    """What stands in an ssl that nobody has any more goes with it, in either layer."""
    program = """
import gc, importlib
DOORS = ()
def classes():
    gc.collect()
    return sum(isinstance(found, type) and found.__name__ == "SSLContext" for found in gc.get_objects())
for layer in ("stand-in", "wrapt"):
    for _ in range(5):
        importlib.reload(ssl)
    if layer == "wrapt":
        roots()
        importlib.reload(ssl)
    print(classes(), len(finders()))
"""
    assert run(program) == ["1 1", "1 1"]


def test_the_other_name(run: Callable[..., list[str]]) -> None:
    """urllib's name for create_default_context is the same object, as programs ask, in either layer and afterwards."""
    program = """
import pickle
def same():
    other = ssl._create_default_https_context
    return other is ssl.create_default_context is pickle.loads(pickle.dumps(other))
print(same(), kinds())
fallback_roots.install()
print(same(), kinds())
fallback_roots.uninstall()
print(same(), kinds())
ssl._create_default_https_context = ssl._create_unverified_context
fallback_roots.install()
fallback_roots.uninstall()
print(ssl._create_default_https_context is ssl._create_unverified_context)
"""
    layers = [f"True ['{kind}', '{kind}']" for kind in ("StandIn", "Wrapper", "function")]
    assert run(program) == [*layers, "True"]


def test_the_other_name_under_somebodys_wrapper(run: Callable[..., list[str]]) -> None:
    """It is taken back where the first name has got a closure of somebody's."""
    program = """
ours = ssl.create_default_context
ssl.create_default_context = lambda *args, **kwargs: ours(*args, **kwargs)
fallback_roots.uninstall()
print(type(ssl._create_default_https_context).__name__, ssl._create_default_https_context.__code__.co_filename == ssl.__file__)
"""
    assert run(program) == ["function True"]


@pytest.mark.parametrize("module", ["asyncio", "urllib.request"])
def test_a_load_when_modules_are_cleared(module: str, run: Callable[..., list[str]]) -> None:
    """An object that a module keeps to the interpreter's end may make a default load then, and finds it as without us."""
    program = f"""
import {module}, os
class Client:
    def __init__(self):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    def __del__(self, write=os.write):
        self.context.load_default_certs()
        write(1, b"sent what was left\\n")
{module}.telemetry = Client()
ssl.create_default_context()
"""
    assert run(program) == ["sent what was left"]


def test_a_deep_copy_of_the_finders(run: Callable[..., list[str]]) -> None:
    """copy.deepcopy(sys.meta_path) works, and ours is itself in it."""
    program = """
import copy
copied = copy.deepcopy(sys.meta_path)
print([new is old for new, old in zip(copied, sys.meta_path) if type(old).__module__ == "fallback_roots.auto"])
"""
    assert run(program) == ["[True]"]


def test_a_pickle_of_ours_is_read_without_us(run: Callable[..., list[str]]) -> None:
    """What is pickled with us is read in a process that has no hook, whatever the layer it was held in."""
    program = """
import pickle
held = standing()
roots()
print(pickle.dumps([held, standing(), held]).hex())
"""
    (pickled,) = run(program)
    program = """
import pickle, ssl, sys
print(pickle.loads(bytes.fromhex(sys.argv[1])) == [[ssl.SSLContext.load_default_certs, ssl.create_default_context]] * 3)
"""
    assert output("-c", program, pickled, env={"FALLBACK_ROOTS_DISABLE": "1"}) == "True"


def test_the_originals_traceback_shows_the_cause(run: Callable[..., list[str]]) -> None:
    """What the original raises ends in the original's own frames, which hold the cause."""
    program = """
import traceback
for layer in ("stand-in", "wrapt"):
    try:
        ssl.create_default_context(cafile="/nonexistent")
    except FileNotFoundError as error:
        frames = traceback.extract_tb(error.__traceback__)
        print(frames[-1].filename == ssl.__file__, frames[-1].name, error.__context__, error.errno)
    fallback_roots.install()
"""
    assert run(program) == ["True create_default_context None 2"] * 2


def test_no_reentrant_lock_before_it_is_needed() -> None:
    """Importing ssl makes no RLock: eventlet.monkey_patch() looks for those that it cannot replace, and complains of ours."""
    program = """
import ssl, gc
print([type(thing).__name__ for thing in gc.get_objects()].count("RLock"))
"""
    ours, bare = (output("-c", program, env={"FALLBACK_ROOTS_DISABLE": off}) for off in ("", "1"))
    assert ours == bare


def test_the_lock_is_listed_once() -> None:
    """From its first use on, and not once more for each use."""
    before, hook = len(_watch.LOCKS), _watch.Hook()
    assert [hook.lock for _ in range(3)] == [hook.lock] * 3
    assert len(_watch.LOCKS) == before + 1
    assert _watch.LOCKS[-1] is hook._locks
    hook = _watch.Hook()
    assert hook.lock
    assert _watch.LOCKS[-1] is hook._locks


@pytest.mark.parametrize("how", ["fallback_roots.install()", "ssl.create_default_context()"])
def test_the_lock_is_where_eventlet_replaces_it(how: str, ca_file: Path) -> None:
    """Once there is one, eventlet.monkey_patch() finds it, which goes from sys.modules by dicts, lists and vars()."""
    program = f"""
import ssl, sys, fallback_roots
{how}
(finder,) = [finder for finder in sys.meta_path if type(finder).__module__ == "fallback_roots.auto"]
lock, seen, todo, replaced = finder.hook.lock, {{}}, [sys.modules], object()
while todo:
    thing = todo.pop()
    if id(thing) not in seen:
        seen[id(thing)] = thing
        if isinstance(thing, dict):
            thing.update({{name: replaced for name, value in list(thing.items()) if value is lock and thing is not globals()}})
            todo += thing.values()
        elif isinstance(thing, list):
            todo += thing
        try:
            todo.append(vars(thing))
        except TypeError:
            pass
print(finder.hook.lock is replaced)
"""
    env = {**NO_CAS, "FALLBACK_ROOTS_CAFILE": str(ca_file)}
    done = python("-c", program, env=env)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


class Lock:
    """Stands in the place of the fallback's lock, and tells whether it is held."""

    held = False

    def __enter__(self) -> None:
        self.held = True

    def __exit__(self, *_: object) -> None:
        self.held = False


@pytest.mark.parametrize("change", ["wrap", "uninstall"])
def test_no_layer_changes_amid_a_load(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wrappers go in, and everything comes off, while the fallback's lock is held."""
    copied, lock, held = copied_ssl(monkeypatch), Lock(), []

    class Owner(type(copied.ssl)):  # type: ignore[misc]  # the module's own class
        def __setattr__(self, name: str, value: Any) -> None:
            held.append(lock.held)
            super().__setattr__(name, value)

    copied.hook._locks["lock"] = lock
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:1])  # of this hook alone
    copied.ssl.__class__ = Owner
    if change == "wrap":
        _patch.wrap(copied.site)
    else:
        _patch.uninstall()
    assert (held, lock.held) == ([True, True], False)  # under both names


def test_uninstall_of_two_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every finder is taken off with what it has placed, one behind another that has seen no ssl, too."""
    copied = copied_ssl(monkeypatch)
    monkeypatch.setattr(sys, "meta_path", [auto.Finder(), sys.meta_path[0]])
    _patch.uninstall()
    assert (sys.meta_path, copied.hook.off) == ([], True)


def test_an_interrupt_passes_uninstall(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is the user's is raised, also where wrapt looks for us under somebody's wrapper."""
    copied = copied_ssl(monkeypatch)
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:1])
    monkeypatch.setattr(wrapt, "unwrap_object", mock.Mock(side_effect=KeyboardInterrupt), raising=False)
    copied.ssl.create_default_context = print
    with pytest.raises(KeyboardInterrupt):
        _patch.uninstall()
