"""The one way to open a file that may be anything: what it gives, how much it reads, and nothing beside a problem."""

import os
import types
from pathlib import Path
from typing import Any

import pytest
from conftest import needs_root
from support import python

from fallback_roots import _files


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 200_000])
def test_a_file_is_given_whole(size: int, tmp_path: Path) -> None:
    """A file that is as large as it may be, or smaller, is given byte by byte."""
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    assert _files.read(str(tmp_path / "file"), max(size, 1)) == (data, None)


@pytest.mark.parametrize("limit", [10, 65536, 100_000])
def test_no_more_is_read_than_tells_that_it_is_too_much(limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file that is too large one byte more than it may have is read, and nothing is given."""
    (tmp_path / "file").write_bytes(b"x" * 300_000)
    read = []

    def counting(*args: Any, **kwargs: Any) -> Any:
        file = open(*args, **kwargs)  # noqa: PTH123, SIM115  # of a descriptor; the caller closes it
        real = file.read

        class Counting:
            def __enter__(self) -> "Counting":
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def read(self, size: int) -> bytes:
                data: bytes = real(size)
                read.append(len(data))
                return data

        return Counting()

    monkeypatch.setattr(_files, "_io", types.SimpleNamespace(open=counting))
    assert _files.read(str(tmp_path / "file"), limit) == (b"", f"is larger than {limit} bytes")
    assert sum(read) == limit + 1


def test_what_is_no_file_gives_nothing(tmp_path: Path) -> None:
    """A FIFO is not waited for, a directory is no file, and no byte is given of either."""
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", "."):
        assert _files.read(str(tmp_path / name), 10) == (b"", "is not a regular file")


def test_a_file_of_somebody_else_gives_nothing(tmp_path: Path) -> None:
    """One that everybody may write is given where it was named, and not where it was found."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    path.chmod(0o666)
    assert _files.read(str(path), 10) == (b"x", None)
    assert _files.read(str(path), 10, found=True) == (b"", "is writable by everybody (mode 0666)")


@needs_root
def test_nobody_knows_the_owner_of_what_may_not_be_entered(tmp_path: Path) -> None:
    """Nor of what is gone; a fault of another kind is one."""
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "closed" / "file").touch()
    program = f"""
import os
import types
from fallback_roots import _files
inside, gone = {str(tmp_path / "closed" / "file")!r}, {str(tmp_path / "gone")!r}
print(_files.owner(inside))
os.setuid(65534)
print(_files.owner(inside), _files.owner(gone))
"""
    for directory in (tmp_path, *tmp_path.parents[:-2]):
        directory.chmod(0o755)
    done = python("-c", program)
    assert done.stdout == "0\nNone None\n", done.stderr  # where coverage says that it may not write its file any more
    with pytest.raises(OSError, match="too long"):
        _files.owner("x" * 5000)


def test_the_way_to_a_file(tmp_path: Path) -> None:
    """Every directory that the way leads through, each link, and what is behind it, in the order in which the kernel goes; also
    where the link is in the middle, and the path is written oddly."""
    top = Path(os.path.realpath(tmp_path))
    (top / "real" / "deep").mkdir(parents=True)
    (top / "real" / "deep" / "file").touch()
    (top / "absolute").symlink_to(top / "real")
    (top / "relative").symlink_to("real/../absolute")
    above = [str(parent) for parent in [*reversed(top.parents), top]]

    def names(path: str) -> list[str]:
        found = list(_files.way(f"{top}/{path}"))
        assert found[: len(above)] == above
        return [os.path.relpath(entry, top) for entry in found[len(above) :]]

    assert names("real/deep/file") == ["real", "real/deep"]
    assert names("absolute/deep/file") == ["absolute", "real", "real/deep"]
    assert names("relative/deep/file") == ["relative", "absolute", "real", "real/deep"]
    assert names(".//real/./deep/../deep//file") == ["real", "real/deep"]
    (top / "round").symlink_to("round")
    with pytest.raises(OSError, match="symbolic links"):
        _files.way(f"{top}/round")
