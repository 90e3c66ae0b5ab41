"""Every code block of the documentation is run as it stands, in a container, or says what runs it, or why nothing can.

A comment in the line before a block is its mark:

- ``<!-- run by: test_file.py::test_name -->``: that test reads this block and runs it, or does the same;
- ``<!-- not run: REASON -->``;
- ``<!-- said by: COMMAND -->``: the block is what COMMAND says, perhaps among other things; ``said by 3.13``: on Python 3.13
  and newer.

A block without a mark is run, all of a page in their order and in one shell: a ``console`` block line by line, with what it
shows compared; an ``sh`` block where there are no settings; a ``toml`` block as a config file, ``python`` as a program.
``dockerfile`` and ``yaml`` blocks are run each by itself. A page with ``<!-- container: bare -->`` begins where this package is
not installed, and one with ``healthy`` in the place of ``bare`` where OpenSSL finds certificates.

In what is shown, a line ``...`` stands for any lines, and ``…`` for any characters; Python's version, dates and line numbers
of C are any; 117 is the number of certifi's roots, and 118 one more.
"""

import importlib.util
import json
import os
import re
import shlex
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from container import Container
from support import ROOT, environment

PAGES = [ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*) -->\n)?(?P<indent> *)```(?P<language>\S*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
MARK = re.compile(
    r"(?:run by: (?P<test>test_\w+\.py::test_\w+)|not run: (?P<reason>\S.*)|said by(?P<since> 3\.13)?: (?P<command>\S.*))\Z"
)
# How a page's container may be: as it is, without this package, or with certificates where OpenSSL looks.
KINDS = {
    "slim": ("ours", ""),
    "bare": ("bare", ""),
    "healthy": (
        "ours",
        """
file=$(python -c 'import ssl; print(ssl.get_default_verify_paths().openssl_cafile)')
mkdir -p $(dirname $file)
cp /venv/lib/python*/site-packages/certifi/cacert.pem $file
""",
    ),
}
KIND = re.compile(r"^<!-- container: (\w+) -->$", re.MULTILINE)
COUNT = "cat /venv/lib/*/site-packages/certifi/cacert.pem 2>/dev/null | grep -c BEGIN\n"
RUN = ("console", "sh", "toml", "python", "dockerfile", "yaml")

slim = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="a container is made of namespaces and an overlay, which need root"
)


class Block(NamedTuple):
    """A code block: its page and line, its language, the mark before it, and what is in it."""

    page: Path
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    def of_mark(self, what: str) -> str:
        """What the mark says of `what`, or nothing."""
        found = MARK.match(self.mark)
        return (found[what] or "") if found else ""


def blocks(page: Path) -> list[Block]:
    """The code blocks of `page`; what Sphinx reads as a directive is none."""
    text = page.read_text(encoding="utf-8")
    found = []
    for fence in FENCE.finditer(text):
        line = text.count("\n", 0, fence.start("language")) + 1
        inside = re.sub(rf"^{fence['indent']}", "", fence["text"], flags=re.MULTILINE)
        if not fence["language"].startswith("{"):
            found.append(Block(page, line, fence["language"], fence["mark"] or "", inside))
    return found


BLOCKS = [block for page in PAGES for block in blocks(page)]
UNMARKED = [block for block in BLOCKS if not block.mark]


# ---------------------------------------------------------------- marks


def test_no_block_is_overlooked() -> None:
    """Every fence is one that is understood here: three backticks, closed, and no tildes or colons."""
    for page in PAGES:
        lines = page.read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if re.match(r"\s*(~~~|:::|````)", line)] == []
        fences = [line for line in lines if line.lstrip().startswith("```")]
        directives = [line for line in fences if line.lstrip().startswith("```{")]
        assert len(fences) == 2 * len(blocks(page)) + 2 * len(directives), page.name


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_each_block_is_run_or_says_why_not(block: Block) -> None:
    """A block has a language that can be run here, or a mark."""
    if block.mark:
        assert MARK.match(block.mark), block.mark
    else:
        assert block.language in RUN, f"neither run nor marked: {block.text}"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.of_mark("test")], ids=str)
def test_the_test_of_a_mark_is_there(block: Block) -> None:
    """A mark names a test that there is."""
    file, _, name = block.of_mark("test").partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text(encoding="utf-8"), re.MULTILINE)


# ---------------------------------------------------------------- what is run in a container


class Step(NamedTuple):
    """Some lines for the shell; what they are to say, or None for anything, and whether they may fail."""

    block: Block
    command: str
    said: "str | None"

    def holds(self, said: str, status: int, roots: int) -> bool:
        if self.block.of_mark("command"):
            return re.search(pattern(self.block.text.rstrip("\n"), roots), said, re.DOTALL) is not None
        if self.said is None:
            return status == 0
        return re.fullmatch(pattern(self.said, roots), said, re.DOTALL) is not None


# What is shown, and what may be said there.
VARIES = {
    r"^\.\.\.\n": r"(?:[^\n]*\n)*?",
    "…": r"[^\n]*?",
    r"\b11[78]\b": None,
    r"_ssl\.c:\d+": r"_ssl\.c:\d+",
    "/usr/lib/ssl(?=/)": r"/[^ :]*",
    r"\b[Pp]ython ?3\.\d+(?:\.\d+)?": r"[Pp]ython ?3\.\d+(?:\.\d+)?",
    r"\b20\d\d-\d\d-\d\d(?:T[\d:]+Z)?": r"\d{4}-\d\d-\d\d(?:T[\d:]+Z)?",
}


def pattern(shown: str, roots: int) -> str:
    """A regular expression for what is `shown`."""
    token = re.compile("|".join(f"({each})" for each in VARIES), re.MULTILINE)
    found, end = "", 0
    for match in token.finditer(shown):
        assert match.lastindex is not None
        may_be = list(VARIES.values())[match.lastindex - 1] or str(roots + int(match[0]) - 117)
        found, end = found + re.escape(shown[end : match.start()]) + may_be, match.end()
    return found + re.escape(shown[end:])


def steps(block: Block) -> Iterator[Step]:
    """What the shell is to do of a block."""
    if block.of_mark("since") and sys.version_info < (3, 13):
        return
    if block.of_mark("command"):
        yield Step(block, block.of_mark("command"), None)
    elif block.mark or block.language in ("dockerfile", "yaml"):
        return
    elif block.language == "toml":
        file = f"/tmp/config-{block.line}.toml"  # noqa: S108  # the container's
        yield Step(block, f"cat > {file} <<'END OF FILE'\n{block.text}END OF FILE\nfallback-roots config check {file}", None)
    elif block.language == "sh":
        yield Step(block, f"rm -rf ~/.config/fallback-roots\n{block.text}", None)
    elif block.language == "python":
        yield Step(block, f"python - <<'END OF FILE'\n{block.text}END OF FILE", None)
    else:
        for typed, shown in re.findall(r"^\$ (.*\n(?:^> ?.*\n)*)((?:^(?!\$ ).*\n)*)", block.text, re.MULTILINE):
            yield Step(block, re.sub("^> ?", "", typed, flags=re.MULTILINE).rstrip("\n"), shown or None)


OVERLAY = """
mount -t tmpfs none "$1" && mkdir "$1/upper" "$1/work" "$1/root" &&
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
"""


@pytest.fixture(scope="session")
def container(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Container:
    """One for all workers of a test run."""
    import fcntl  # not on Windows

    namespaces = [
        "unshare",
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "sh",
        "-c",
        OVERLAY,
        "_",
        str(tmp_path_factory.mktemp("overlay")),
    ]
    if subprocess.run(namespaces, check=False).returncode:
        pytest.skip("no namespaces, or no overlay in them, can be made here")
    if importlib.util.find_spec("ensurepip") is None:
        pytest.skip("this Python has no ensurepip (Debian's python3-venv)")
    directory = tmp_path_factory.getbasetemp()
    directory = (directory.parent if "PYTEST_XDIST_WORKER" in os.environ else directory) / "container"
    with (directory.parent / "container.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "roots").exists():
            directory.mkdir()
            (directory / "roots").write_text(str(Container.make(directory, wheel).roots))
        return Container(directory, int((directory / "roots").read_text()))


PAGES_TO_RUN = [page for page in PAGES if any(step for block in blocks(page) for step in steps(block))]


@slim
@pytest.mark.parametrize("page", PAGES_TO_RUN, ids=lambda page: page.name)
def test_what_a_page_shows(page: Path, container: Container) -> None:
    """Each command of the page does what the page shows."""
    todo = [step for block in blocks(page) for step in steps(block)]
    kind = KIND.search(page.read_text(encoding="utf-8"))
    start, prepare = KINDS[kind[1] if kind else "slim"]
    script = "".join(f"{{\n{step.command}\n}} 2>&1\nprintf '\\1%s\\1' $?\n" for step in todo)
    done = container.run(f"{COUNT}{prepare}{script}", start=start)
    counted, _, rest = done.stdout.partition("\n")
    # Counted there, too: some machines add a CA of their own to every bundle on the disk.
    roots = int(counted) or container.roots
    results = rest.split("\1")
    assert len(results) == 2 * len(todo) + 1, done.stdout
    wrong = [
        f"{step.block}: $ {step.command}\n{said}(exit status {status})"
        for step, said, status in zip(todo, results[::2], results[1::2], strict=False)
        if not step.holds(said, int(status), roots)
    ]
    assert wrong == [], "\n\n".join(wrong)


def commands_of(test: str) -> str:
    """The commands of the one block that names `test` in its mark."""
    (block,) = [block for block in BLOCKS if block.of_mark("test").endswith(f"::{test}")]
    return "".join(f"{line.removeprefix('$ ')}\n" for line in block.text.splitlines())


def test_a_der_file_becomes_pem(ca_file: Path, tmp_path: Path) -> None:
    """The line makes of a CA's DER file the PEM file that it was."""
    (tmp_path / "corp.cer").write_bytes(ssl.PEM_cert_to_DER_cert(ca_file.read_text()))
    (tmp_path / "python").symlink_to(sys.executable)
    env = environment({"PATH": f"{tmp_path}:/usr/bin:/bin"})
    subprocess.run(["sh", "-ec", commands_of("test_a_der_file_becomes_pem")], cwd=tmp_path, env=env, check=True)
    assert (tmp_path / "corp.pem").read_text() == ca_file.read_text()


@slim
def test_a_bundle_of_both(container: Container) -> None:
    """Where Python finds a bundle, one that has a company's CA besides is made as the page says, and verifies both."""
    _, healthy = KINDS["healthy"]
    ask = "for host in example.org intranet.example.com; do fetch https://$host 2>&1 | tail -n 1; done\n"
    said = container.run(f"{healthy}{ask}{commands_of('test_a_bundle_of_both')}{ask}").stdout.splitlines()
    assert "unable to get local issuer certificate" in said.pop(1), said
    assert said == ["hello"] * 3


# ---------------------------------------------------------------- what is run by other machines than a shell

APP = 'import urllib.request\n\nprint(urllib.request.urlopen("https://example.org", timeout=30).status)\n'
NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent"


def stages(text: str) -> "list[list[tuple[str, str]]]":
    """The stages of a Dockerfile: each instruction with its arguments."""
    found: list[list[tuple[str, str]]] = []
    for line in text.replace("\\\n", " ").splitlines():
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            found.append([])
        if name and not name.startswith("#"):
            found[-1].append((name, rest.strip()))
    return found


def shell(stage: "list[tuple[str, str]]", directory: Path, line: int) -> str:
    """What a build does in a stage, and then a container that is made of it, also with a read-only file system."""
    script, user = "set -e\nPATH=/usr/local/bin:/usr/bin:/bin\nrm /etc/ssl/corp.pem\n", ""
    for name, rest in stage:
        if name == "RUN":
            script += f"{user} {shlex.join(json.loads(rest)) if rest.startswith('[') else f'sh -ec {shlex.quote(rest)}'}\n"
        elif name == "ENV":
            script += f"export {rest}\n"
        elif name == "USER":
            assert rest == "65534:65534"
            user = NOBODY
        elif name == "COPY":
            *options, source, target = rest.split()
            source = f"{directory}/{options[0].replace('--from=', f'stage-{line}-')}{source}/." if options else source
            script += (
                f"mkdir -p {target if options or target.endswith('/') else Path(target).parent}\ncp -a {source} {target}\n"
            )
        elif name == "CMD":
            command = shlex.join(json.loads(rest))
            script += f"{user} {command}\nmount -o remount,ro /\n! touch /app/file 2>/dev/null\n{user} {command}\n"
        else:
            assert name == "FROM"
    return script


FILES = [block for block in UNMARKED if block.language == "dockerfile"]


@slim
@pytest.mark.parametrize("block", [block for block in FILES if block.text.startswith("FROM ")], ids=str)
def test_a_dockerfile(block: Block, container: Container) -> None:
    """An image of these instructions can be built where there are no CA certificates, and its program verifies.

    The instructions are done one after the other, each stage in a container of its own, in place of both images.
    A venv is there already, since it takes seconds to make one; nothing is in it.
    """
    if "-m pip" in block.text and container.run("/usr/local/bin/python -m pip --version").returncode:
        pytest.skip("this Python has no pip of its own, as an image's has")
    for stage in stages(block.text):
        name = stage[0][1].partition(" AS ")[2]
        script = f"cat > app.py <<'END OF FILE'\n{APP}END OF FILE\n" + shell(stage, container.directory, block.line)
        done = container.run(script, start="bare", keep=f"stage-{block.line}-{name}" if name else "")
        assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("200\n200\n"), done.stdout


@slim
def test_lines_for_a_dockerfile(container: Container) -> None:
    """Lines that are to be added to a Dockerfile do what they should, one block after the other."""
    lines = "".join(block.text for block in FILES if not block.text.startswith("FROM "))
    script = shell(stages(f"FROM it\nENV PATH=/venv/bin:$PATH\n{lines}")[0], container.directory, 0)
    done = container.run(script)
    assert "intranet.example.com:443 is verified" in done.stdout, done.stdout


@slim
@pytest.mark.parametrize("block", [block for block in UNMARKED if block.language == "yaml"], ids=str)
def test_a_ci_job(block: Block, container: Container) -> None:
    """The commands of a job do what they should where there are no CA certificates."""
    variables = dict(re.findall(r'^ +(FALLBACK_ROOTS_\w+): "?([^"\n]*)"?$', block.text, re.MULTILINE))
    commands = re.findall(r"^ +- (?:run: )?((?!uses:).*)$", block.text, re.MULTILINE)
    assert len(commands) == 3
    script = f"set -e\ncat > app.py <<'END OF FILE'\n{APP}END OF FILE\n" + "\n".join(commands)
    done = container.run(script, start="bare", **variables)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "200"), done.stdout


# ---------------------------------------------------------------- troubleshooting

TROUBLE = ROOT / "docs" / "troubleshooting.md"
SECTIONS = re.findall(r"^### ([^\n]*)\n(.*?)(?=^#|\Z)", TROUBLE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("heading", "section"), SECTIONS, ids=[heading for heading, _ in SECTIONS])
def test_an_errors_heading_is_what_people_see(heading: str, section: str) -> None:
    """What is in a heading is in a block below, which its mark has somebody say; or the table's words are in the sources."""
    if heading == "Rare ones":
        sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
        words = re.findall(r"^\| `(.*?)` \|", section, re.MULTILINE)
        assert len(words) > 4
        assert [each for each in words if each not in sources.replace("{PREFIX}", "FALLBACK_ROOTS_")] == []
    else:
        shown = "".join(fence["text"] for fence in FENCE.finditer(section) if MARK.match(fence["mark"] or ""))
        assert [word for word in heading.split() if word not in shown and word != "in"] == []


def test_words_that_were_seen() -> None:
    """What requests says is what it was seen to say when all clients were tried."""
    mark = "run by: test_docs.py::test_words_that_were_seen"
    (block,) = [block for block in BLOCKS if block.mark == mark]
    assert f"`{block.text.strip()}`" in (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")


# ---------------------------------------------------------------- links, and the index

OURS = "https://github.com/fallback-roots/fallback-roots/blob/main/"


def prose(page: Path) -> str:
    """A page without its blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts and MyST make them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


LINKS = [(page, link) for page in PAGES for link in re.findall(r"\]\(\s*([^)\s]+)\s*\)", prose(page))]


@pytest.mark.parametrize(("page", "link"), LINKS, ids=[f"{page.name} {link}" for page, link in LINKS])
def test_a_link_leads_somewhere(page: Path, link: str) -> None:
    """A link leads to a file of the repository, and to a heading there if it says so, or to another site."""
    if link.startswith(OURS):
        page, link = ROOT / "README.md", link.removeprefix(OURS)
    if link.startswith("https://"):
        return
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    assert target.is_file(), link
    assert not anchor or anchor in anchors(target), link


def test_the_index_has_each_page_of_each_kind_once() -> None:
    """Each page is in the table of contents of one kind, and its line is below the heading of that kind."""
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    contents = re.findall(r"^```\{toctree\}\n:hidden:\n:caption: ([^\n]*)\n\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert [kind for kind, _ in contents] == re.findall("^## (.*)$", text, re.MULTILINE)
    listed = [name for _, names in contents for name in names.split()]
    assert sorted(listed) == sorted(page.stem for page in (ROOT / "docs").glob("*.md") if page.stem != "index")
    for kind, names in contents:
        section = text.partition(f"\n## {kind}\n")[2].partition("\n## ")[0].partition("\n```")[0]
        assert set(re.findall(r"\]\(([\w-]+)\.md\)", section)) == set(names.split()), kind


def test_the_readme_is_short() -> None:
    """Somebody reads all of it; what is longer has a page."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 90
    assert "(docs/tutorial.md)" in text
    assert "(docs/troubleshooting.md)" in text
