"""Break the package in some thousand small ways, one at a time, and see that the tests notice.

    python tests/mutation/run.py [MODULE ...] [--jobs 2] [--quick] [--report] [--list] [--anew]

Writes `survivors.md` beside this file: how many mutants were made and killed, and each survivor with the reason why no test
tells it from the original. Reasons are kept from the old file; a survivor that has none is marked UNEXPLAINED. Exits with 1
where there is such a one, or where less than 95 % were killed.

Mutants of our own, and not a library's. mutmut puts trampolines in the place of functions, which the tests of this package
see: they look at imports, at the names that a function uses, and at tracebacks; and it does not reach the interpreters that
the tests start. cosmic-ray writes files, as this does, but makes ten others of each sum, of strings, too, which no
program survives, and neither deletes a statement nor takes a part out of a condition, which is what shows a rule that no test
needs. Nothing more than the standard library is needed here.

Each job has a copy of the tree, and a venv whose start-up file and whose package are that copy's, so that the interpreters
started by tests run the mutant, and the wheel built from the copy is the mutant's. A mutant is killed if one of the test files
named in TESTS, the quickest first, fails or takes four times as long as it should.

Results go to `build/mutation.jsonl` as they come. A run does again only what may have changed: all mutants of a function that
was edited, beginning with the file that killed them, and the survivors where a test was edited. `--anew` does all again.

Left alone: annotations, docstrings, what only type checkers read, `__slots__`, `__repr__`, messages (f-strings, strings with a
blank), the tables of systems' places, and caches, which save time and nothing else.
"""

import argparse
import ast
import copy
import hashlib
import json
import os
import platform
import queue
import select
import shutil
import signal
import ssl
import subprocess
import sys
import sysconfig
import time
import venv
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RESULTS = ROOT / "build" / "mutation.jsonl"
SURVIVORS = HERE / "survivors.md"
LEAST = 95  # per cent
UNEXPLAINED = "**UNEXPLAINED**"

# The files that may kill a module's mutants, those that do it soonest first.
TESTS = {
    "_detect": "detect doors worlds patch",
    "_watch": "loader doors patch detect limits fallback startup",
    "_patch": "patch doors fallback",
    "_fallback": "fallback doors patch sources limits worlds say bad_input lazy",
    "_sources": "sources limits lazy fuzz worlds fallback bad_input",
    "_system": "sources",
    "_certifi": "sources lazy limits",
    "_pem": "sources fuzz lazy",
    "_lazy": "lazy cache_command",
    "_manifest": "lazy cache_command",
    "_rehash": "lazy cache_command",
    "_subject_hash": "subject_hash",
    "_directories": "settings limits lazy worlds bad_input",
    "_settings": "settings limits fuzz lazy worlds bad_input",
    "_config": "settings limits fuzz worlds bad_input",
    "_places": "places detect sources settings limits lazy worlds bad_input",
    "_files": "files places settings sources lazy fuzz worlds bad_input",
}
SLOW = {"bad_input", "fallback", "fuzz", "say", "startup", "worlds"}  # left out by --quick, unless they come first


# ---------------------------------------------------------------- making mutants


class Mutant(NamedTuple):
    """`text` is the module's with one change; the rest says where, for people, and the same after edits elsewhere.

    `around`: a digest of the function, or else the statement of the module, that the change is in.
    """

    module: str
    where: str
    line: str
    change: str
    text: str
    around: str

    @property
    def key(self) -> tuple[str, ...]:
        return self.module, self.where, self.line, self.change


OTHER: dict[type[ast.AST], list[type[ast.AST]]] = {
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.FloorDiv],
    ast.FloorDiv: [ast.Mult],
    ast.Pow: [ast.Mult],
    ast.BitOr: [ast.BitAnd],
    ast.BitAnd: [ast.BitOr],
    ast.And: [ast.Or],
    ast.Or: [ast.And],
}


def changed(node: Any, **fields: Any) -> Any:
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def without(items: list[Any], position: int) -> list[Any]:
    return items[:position] + items[position + 1 :]


def in_place_of(node: Any) -> Iterator[Any]:
    """The expressions or statements that may take the place of `node`."""
    match node:
        case ast.Compare(ops=ops):
            for position, operator in enumerate(ops):
                for other in OTHER.get(type(operator), []):
                    yield changed(node, ops=[*ops[:position], other(), *ops[position + 1 :]])
        case ast.BoolOp(op=op, values=values):
            yield changed(node, op=OTHER[type(op)][0]())
            for position in range(len(values)):
                rest = without(values, position)
                yield changed(node, values=rest) if len(rest) > 1 else rest[0]
        case ast.BinOp(left=left, op=op, right=right):
            for other in OTHER.get(type(op), []):
                yield changed(node, op=other())
            if isinstance(op, (ast.Add, ast.BitOr)):
                yield left
                yield right
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(number)):
            yield ast.Constant(number + 1)
        case ast.Constant(value=str(text)) if " " not in text:
            yield ast.Constant(f"XX{text}XX" if text else "XX")
        case ast.Constant(value=bytes(data)):
            yield ast.Constant(b"XX%bXX" % data)
        case ast.IfExp(body=body, orelse=orelse):
            yield body
            yield orelse
        case ast.Call(args=args, keywords=keywords):
            for position in range(len(keywords)):
                yield changed(node, keywords=without(keywords, position))
            for position, arg in enumerate(args):
                if isinstance(arg, ast.Starred):
                    yield changed(node, args=without(args, position))
        case ast.Set(elts=elements) if len(elements) > 1:
            for position in range(len(elements)):
                yield changed(node, elts=without(elements, position))
        case ast.Subscript(slice=ast.Slice() as part):
            for name in ("lower", "upper", "step"):
                if getattr(part, name) is not None:
                    yield changed(node, slice=changed(part, **{name: None}))
        case ast.Return(value=ast.Constant(value=bool())):
            yield ast.Pass()
        case ast.Return(value=value) if value is not None and not is_none(value):
            yield ast.Return(ast.Constant(None))
        case ast.Return() | ast.Expr() | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value) if not is_none(value):
            yield changed(node, value=ast.Constant(None))
        case ast.AugAssign(target=target, value=value):
            yield ast.Pass()
            yield ast.Assign([target], value, lineno=0)


def places(node: ast.AST) -> Iterator[tuple[ast.AST, Any]]:
    """Nodes below or at `node` and what may take their place, where that depends on what they are in."""
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            if not isinstance(node, ast.IfExp):
                yield test, ast.Constant(False)
            if isinstance(node, ast.If):
                yield test, ast.Constant(True)
        case ast.comprehension(ifs=ifs):
            for test in ifs:
                yield test, ast.Constant(True)
                yield test, ast.Constant(False)
        case ast.For(iter=iterable):
            yield iterable, ast.Tuple([], ast.Load())
        case ast.With(items=items):
            for item in items:  # a lock that is not taken, a file that is not closed
                yield item.context_expr, ast.parse(f"__import__('contextlib').nullcontext({ast.unparse(item.context_expr)})")
        case ast.ExceptHandler(type=ast.expr() as kind):
            yield kind, ast.Tuple([], ast.Load())
            if ast.unparse(kind) == "Exception":
                yield kind, ast.Name("BaseException")
            if isinstance(kind, ast.Tuple):
                for position in range(len(kind.elts)):
                    yield kind, changed(kind, elts=without(kind.elts, position))
        case ast.FunctionDef(decorator_list=decorators):
            for decorator in decorators:
                if "functools" not in ast.unparse(decorator):
                    yield decorator, ast.parse("lambda function: function", mode="eval").body
    for other in in_place_of(node):
        yield node, other


def is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def walk(node: ast.AST, where: str) -> Iterator[tuple[str, ast.AST, Any]]:
    """All that may be changed at or below `node`, with the names of the class and function that it is in."""
    match node:
        case ast.JoinedStr() | ast.Expr(value=ast.Constant()) | ast.FunctionDef(name="__repr__"):
            return
        case ast.If(test=ast.Name("TYPE_CHECKING")) | ast.Assign(targets=[ast.Name("TYPE_CHECKING")]):
            return
        case ast.Assign(targets=[ast.Name("__slots__" | "BUNDLES" | "DIRECTORIES" | "Counted")]):  # no rules
            return
        case ast.Attribute(ast.Name("functools")) | ast.Call(ast.Attribute(ast.Name("functools"))):  # caches save time, no more
            return
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            where = f"{where}.{name}".lstrip(".")
    for target, other in places(node):
        yield where, target, other
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from walk(child, where)


def mutants(module: str) -> list[Mutant]:
    """All mutants of a module, without those that are the same program."""
    text = source(module).read_text(encoding="utf-8")
    lines = text.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    last = [node.body[-1] for node in functions]
    known, seen, found = set[tuple[int, int, str]](), Counter[tuple[str, ...]](), []
    for where, node, other in walk(tree, ""):
        assert isinstance(node, (ast.expr, ast.stmt))
        if node in last and isinstance(node, ast.Return) and node.value is not None and is_none(node.value):
            continue  # a function without it returns None, too
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        new = ast.unparse(other)
        if isinstance(node, ast.expr):
            new = f"({new})"
        whole = (text.encode()[:begin] + new.encode() + text.encode()[end:]).decode()
        if (begin, end, new) in known:
            continue
        known.add((begin, end, new))
        try:
            compile(whole, module, "exec")
        except SyntaxError:
            continue
        old = " ".join(text.encode()[begin:end].decode().split())
        line_text = lines[node.lineno - 1].decode().strip()
        change = f"{shortened(old)} → {shortened(new)}"
        seen[where, line_text, change] += 1
        if (number := seen[where, line_text, change]) > 1:
            change += f" ({number})"
        holders = [
            holder for holder in [*tree.body, *functions] if first_line(holder) <= node.lineno <= (holder.end_lineno or 0)
        ]
        around = ast.unparse(max(holders, key=first_line))
        found.append(Mutant(module, where, line_text, change, whole, hashlib.sha256(around.encode()).hexdigest()[:16]))
    return found


def first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def shortened(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:60]} … {text[-35:]}"


def source(module: str, root: Path = ROOT) -> Path:
    return root / "src" / "fallback_roots" / f"{module}.py"


# ---------------------------------------------------------------- running tests


# Loads what tests import, the package excepted, and forks for each run of pytest, which is three times as fast. The number of
# the process goes to standard output, and then what it exits with. Tests that killed a mutant run first, the last one foremost.
SERVER = """
import os, sys
import certifi, hypothesis, platformdirs, pytest, trustme, wrapt

class Order:
    def pytest_collection_modifyitems(self, items):
        with open(sys.argv[1], encoding="utf-8") as file:
            rank = {name: number for number, name in enumerate(file.read().split("\\n"), 1)}
        items.sort(key=lambda item: -rank.get(item.nodeid, 0))

    def pytest_runtest_logreport(self, report):
        if report.failed:
            with open(sys.argv[1], "a", encoding="utf-8") as file:
                file.write(report.nodeid + "\\n")

del os.environ["FALLBACK_ROOTS_DISABLE"]
for name in [name for name in sys.modules if name.partition(".")[0] == "fallback_roots"]:
    del sys.modules[name]
answer = os.dup(1)
null = os.open(os.devnull, os.O_RDWR)
for descriptor in (1, 2):
    os.dup2(null, descriptor)
options = ["-x", "-q", "-n0", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
for line in sys.stdin:
    process = os.fork()
    if process == 0:
        code = 1
        try:
            os.setsid()
            os.dup2(null, 0)
            os.close(answer)
            import fallback_roots.auto
            code = pytest.main([*options, *line.split()], [Order()])
        finally:
            os._exit(code)
    os.write(answer, b"%d\\n" % process)
    os.write(answer, b"%d\\n" % os.waitpid(process, 0)[1])
"""


class Job:
    """A copy of the tree in `directory`, and an interpreter that starts with that copy of the package."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "tree"
        self.temporary = directory / "tmp"
        self.temporary.mkdir(parents=True)
        killers = directory.parent / "killers"  # of all jobs
        killers.touch()
        ignored = shutil.ignore_patterns(".git", ".*_cache", ".hypothesis", ".tox", ".venv", "__pycache__", "dist", "build")
        shutil.copytree(ROOT, self.root, ignore=ignored)
        venv.create(directory / "venv", symlinks=True)
        (site,) = (directory / "venv").glob("lib/*/site-packages")
        # What is installed beside us; the start-up files there are not read.
        (site / "_dependencies.pth").write_text(f"{self.root / 'src'}\n{sysconfig.get_path('purelib')}\n")
        shutil.copy(self.root / "src" / "fallback_roots.pth", site)
        self.python = directory / "venv" / "bin" / "python"
        # Bytecode of all that is not mutated is written once; of two mutants of one second and one size it would be the same.
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.temporary), "TMPDIR": str(self.temporary), "WORLDS": "20"}
        collect = [str(self.python), "-m", "pytest", "--collect-only", "-q", "-n0", "-p", "no:cacheprovider", "tests"]
        subprocess.run(collect, cwd=self.root, env=environment, stdout=subprocess.DEVNULL, check=True)
        self.server = subprocess.Popen(
            [self.python, "-c", SERVER, killers],
            cwd=self.root,
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1", "FALLBACK_ROOTS_DISABLE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def answer(self, seconds: float) -> "int | None":
        assert self.server.stdout is not None
        return int(self.server.stdout.readline()) if select.select([self.server.stdout], [], [], seconds)[0] else None

    def passes(self, file: str, seconds: float) -> bool:
        """Whether the tests in `file` pass, in `seconds`."""
        assert self.server.stdin is not None
        self.server.stdin.write(f"--basetemp={self.temporary / 'pytest'} tests/test_{file}.py\n".encode())
        process = self.answer(60)
        assert process is not None
        code = self.answer(seconds)
        try:
            os.killpg(process, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return (self.answer(60) if code is None else code) == 0

    def limit(self, file: str) -> float:
        """How many seconds the tests in `file` may take, measured once on the package as it is, where they must pass."""
        if file not in LIMITS:
            start = time.monotonic()
            if not self.passes(file, 600):
                raise SystemExit(f"tests/test_{file}.py does not pass on the package as it is")
            LIMITS[file] = 10 + 4 * (time.monotonic() - start)
        return LIMITS[file]

    def kills(self, file: str, mutant: Mutant) -> bool:
        """Whether the tests in `file` notice `mutant`."""
        limit, path = self.limit(file), source(mutant.module, self.root)
        original = path.read_text(encoding="utf-8")
        for compiled in path.parent.glob(f"__pycache__/{mutant.module}.*"):
            compiled.unlink()
        path.write_text(mutant.text, encoding="utf-8")
        try:
            return not self.passes(file, limit)
        finally:
            path.write_text(original, encoding="utf-8")


LIMITS: dict[str, float] = {}


def digest(*paths: Path) -> str:
    state = hashlib.sha256()
    for path in sorted(paths):
        state.update(path.read_bytes())
    return state.hexdigest()[:16]


def known_results() -> dict[tuple[str, ...], dict[str, Any]]:
    if not RESULTS.exists():
        return {}
    results = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    return {tuple(result["key"]): result for result in results}


def run(todo: list[Mutant], jobs: int, quick: bool, results: dict[tuple[str, ...], dict[str, Any]]) -> None:
    """Run the tests on each of `todo`, and write down what came of it."""
    tests = "quick" if quick else digest(*HERE.parent.glob("*.py"))
    with TemporaryDirectory(prefix="mutation-") as directory, ThreadPoolExecutor(jobs) as pool:
        latest: dict[tuple[str, str], str] = {}
        Path(directory).chmod(0o755)  # some tests go on as another user
        free: queue.Queue[Job] = queue.Queue()
        for number in range(jobs):
            free.put(Job(Path(directory) / str(number)))

        def killer(mutant: Mutant) -> "tuple[Mutant, str | None]":
            files = TESTS[mutant.module].split()
            if quick:
                files = [files[0], *(file for file in files[1:] if file not in SLOW)]
            # First what has killed this one before, or the last one in the same function.
            first = results.get(mutant.key, {}).get("killer") or latest.get((mutant.module, mutant.where))
            if first in files:
                files = [first, *(file for file in files if file != first)]
            job = free.get()
            try:
                by = next((file for file in files if job.kills(file, mutant)), None)
            finally:
                free.put(job)
            if by is not None:
                latest[mutant.module, mutant.where] = by
            return mutant, by

        RESULTS.parent.mkdir(exist_ok=True)
        with RESULTS.open("a", encoding="utf-8") as out:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
            try:
                for count, future in enumerate(as_completed([pool.submit(killer, mutant) for mutant in todo]), 1):
                    mutant, by = future.result()
                    result = {"key": mutant.key, "around": mutant.around, "tests": tests, "killer": by}
                    results[mutant.key] = result
                    print(json.dumps(result, ensure_ascii=False), file=out, flush=True)
                    if by is None:
                        print(
                            f"{count}/{len(todo)} survives: {mutant.module}.{mutant.where}: {mutant.line}\n    {mutant.change}",
                            flush=True,
                        )
            except BaseException:
                pool.shutdown(cancel_futures=True)  # what is known is written; the next run goes on
                raise


# ---------------------------------------------------------------- the report


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    return f"{fence}{cell(text)}{fence}"


def row_of(mutant: Mutant) -> tuple[str, ...]:
    """The first three cells of a survivor's row."""
    return f"| `{'.'.join(filter(None, (mutant.module, mutant.where)))}`", code(mutant.line), code(mutant.change)


def reasons() -> dict[tuple[str, ...], str]:
    """The explanations of the old report, by what stands in the other cells of their row."""
    found = {}
    for line in SURVIVORS.read_text(encoding="utf-8").splitlines() if SURVIVORS.exists() else []:
        cells = line.split(" | ")
        if line.startswith("| ") and len(cells) == 4:
            found[tuple(cells[:3])] = cells[3].removesuffix(" |")
    return found


def report(results: dict[tuple[str, ...], dict[str, Any]]) -> bool:
    """Write `survivors.md`; True where enough were killed and each survivor has its reason."""
    old, rows, survivors, well = reasons(), [], [], True
    total = dead = 0
    for module in TESTS:
        made = mutants(module)
        run_yet = [mutant for mutant in made if results.get(mutant.key, {}).get("around") == mutant.around]
        if not run_yet:
            continue
        left = [mutant for mutant in run_yet if results[mutant.key]["killer"] is None]
        killed = len(run_yet) - len(left)
        total, dead = total + len(run_yet), dead + killed
        missing = f"{len(made) - len(run_yet)} not run" if len(run_yet) < len(made) else ""
        rows.append(f"| `{module}` | {len(run_yet)} | {killed} | {100 * killed / len(run_yet):.1f} % | {missing} |")
        well = well and not missing
        for mutant in left:
            row = row_of(mutant)
            survivors.append(" | ".join((*row, f"{old.get(row, UNEXPLAINED)} |")))
            well = well and row in old and old[row] != UNEXPLAINED
    if not total:
        return False
    well = well and 100 * dead >= LEAST * total
    versions = (
        f"{date.today()}, Python {platform.python_version()}, {' '.join(ssl.OPENSSL_VERSION.split()[:2])}, {platform.system()}"
    )
    SURVIVORS.write_text(
        f"""# Mutants that survive

Written by `python tests/mutation/run.py`, which keeps what stands in the last column. Measured on {versions}.

| Module | Mutants | Killed | Share | |
| --- | ---: | ---: | ---: | --- |
{chr(10).join(rows)}
| all | {total} | {dead} | {100 * dead / total:.1f} % | |

| Where | Line | Change | Why no test tells it from the original |
| --- | --- | --- | --- |
{chr(10).join(survivors)}
""",
        encoding="utf-8",
    )
    print(f"{dead} of {total} killed ({100 * dead / total:.1f} %), {sum(UNEXPLAINED in row for row in survivors)} unexplained")
    return well


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", choices=[*TESTS, []], metavar="MODULE", help=", ".join(TESTS))
    parser.add_argument("--jobs", type=int, default=2, help="copies of the tree that run tests at the same time")
    parser.add_argument("--list", action="store_true", help="print the mutants, and run nothing")
    parser.add_argument("--quick", action="store_true", help="leave out slow tests, and survivors that are explained")
    parser.add_argument("--report", action="store_true", help="write the report on what is known, and run nothing")
    parser.add_argument("--anew", action="store_true", help="run those again that were killed, too")
    chosen = parser.parse_args()
    made = [mutant for module in chosen.modules or TESTS for mutant in mutants(module)]
    if chosen.list:
        for mutant in made:
            print(f"{mutant.module}.{mutant.where}: {mutant.line}\n    {mutant.change}")
        print(len(made))
        return 0
    results = known_results()
    tests = digest(*HERE.parent.glob("*.py"))

    def is_known(mutant: Mutant) -> bool:
        result = results.get(mutant.key, {})
        return result.get("around") == mutant.around and (result["killer"] is not None or result["tests"] == tests)

    todo = [mutant for mutant in made if chosen.anew or not is_known(mutant)]
    if chosen.quick:
        explained = reasons()
        known = {mutant.key for mutant in todo if results.get(mutant.key, {}).get("around") == mutant.around}
        todo = [
            mutant for mutant in todo if mutant.key not in known or explained.get(row_of(mutant), UNEXPLAINED) == UNEXPLAINED
        ]
    print(f"{len(todo)} of {len(made)} mutants to run", flush=True)
    if todo and not chosen.report:
        run(todo, chosen.jobs, chosen.quick, results)
    return 0 if report(results) else 1


if __name__ == "__main__":
    sys.exit(main())
