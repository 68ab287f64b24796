"""Programs kept between runs: what stands under another's name, or is damaged, is compiled again."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pumpleak import traced
from pumpleak.files.programs import TracedFolder, _seal, check_programs, keep_programs


class Store:
    """As JAX's: a file a key, which is not written again while it is there."""

    def __init__(self, path):
        self.path = path

    def get(self, key):
        file = self.path / f"{key}-cache"
        return file.read_bytes() if file.exists() else None

    def put(self, key, value):
        file = self.path / f"{key}-cache"
        if not file.exists():
            file.write_bytes(value)


@pytest.fixture
def store(tmp_path):
    class Fresh(Store):
        get, put = Store.get, Store.put

    module = ModuleType("store")
    module.LRUCache = Fresh
    _seal(module)
    _seal(module)  # once is enough
    found = Fresh(tmp_path)
    for key in ("solve-1", "solve-2", "begin"):
        found.put(key, f"program of {key}".encode() * 20)
    return found


def test_what_was_written_is_read(store, tmp_path):
    assert store.get("begin") == b"program of begin" * 20
    assert store.get("none") is None
    assert len((tmp_path / "begin-cache").read_bytes()) == 16 * 20 + 32


def swap(folder):
    one, two = folder / "solve-1-cache", folder / "solve-2-cache"
    text = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(text)


def bit(folder):
    file = folder / "solve-1-cache"
    text = bytearray(file.read_bytes())
    text[7] ^= 4
    file.write_bytes(text)


@pytest.mark.parametrize(
    "harm",
    [
        swap,
        bit,
        lambda folder: (folder / "solve-1-cache").write_bytes(b""),
        lambda folder: (folder / "solve-1-cache").write_bytes((folder / "solve-1-cache").read_bytes()[:-1]),
        lambda folder: (folder / "solve-1-cache").write_bytes(
            b"program of solve-1" * 20
        ),  # without its checksum
        lambda folder: (folder / "solve-1-cache").write_bytes(os.urandom(400)),
    ],
)
def test_what_is_not_what_was_written_is_made_again(store, tmp_path, harm):
    harm(tmp_path)
    assert store.get("solve-1") is None
    store.put("solve-1", b"made again")
    assert store.get("solve-1") == b"made again"
    assert store.get("begin") == b"program of begin" * 20


def test_what_cannot_be_read_is_made_without(store, tmp_path):
    (tmp_path / "begin-cache").unlink()
    (tmp_path / "begin-cache").mkdir()
    assert store.get("begin") is None


def test_only_the_folder_of_the_command_line_has_checksums(monkeypatch, tmp_path):
    before = list(sys.meta_path)
    for ours, used in ((None, tmp_path), (tmp_path, tmp_path / "shared")):
        for name, value in (("PUMPLEAK_PROGRAMS", ours), ("JAX_COMPILATION_CACHE_DIR", used)):
            monkeypatch.delenv(name, raising=False)
            if value is not None:
                monkeypatch.setenv(name, str(value))
        check_programs()
        assert sys.meta_path == before
        assert not hasattr(sys.modules["jax._src.lru_cache"].LRUCache, "pumpleak")


@pytest.mark.thorough
def test_swapped_programs_of_the_command_line(tmp_path):
    """The console script's own folder: its files rotated among their names, the same answer in one program's time."""
    (tmp_path / "c.csv").write_text("K_o_mM,V_m_mV,V_m_sem_mV,T_degC\n2.5,-80,2,37\n10,-60,2,37\n")
    known = "K_i_mM: 130, Na_i_mM: 12, Na_o_mM: 140, extra_V_m_mV: 0"
    (tmp_path / "c.yaml").write_text(
        f"data: c.csv\nquantities: {{P_Na_rel: {{prior: lognormal, median: 0.05, factor: 3}}, {known}}}\n"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_COMP", "JAX_PERS", "PUMPLEAK"))}
    env |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    script = Path(sys.executable).with_name("pumpleak")

    def fit():
        return subprocess.run(
            [script, "fit", "c.yaml", "--starts", "32", "--json"],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
        )

    first = fit()
    kinds = [sorted((tmp_path / "cache").rglob(kind)) for kind in ("*-cache", "traced/*")]
    assert first.returncode == 0 and min(map(len, kinds)) > 1, first.stderr
    files = [*kinds[0], *kinds[1]]
    content = [f.read_bytes() for f in files]
    for file, other in zip(files, content[1:] + content[:1], strict=True):
        file.write_bytes(other)
    again = fit()
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert again.stderr.startswith("Fitting") and len(again.stderr.splitlines()) == 1  # the bar alone
    assert all(f.read_bytes()[:-32] != o[:-32] for f, o in zip(files, content[1:] + content[:1], strict=True))


@pytest.fixture
def folder(tmp_path):
    found = TracedFolder(tmp_path / "traced")
    for name in ("solve-1", "solve-2"):
        found.put(name, f"traced {name}".encode() * 20)
    return found


@pytest.mark.parametrize("harm", ["bit", "cut", "swap", "empty", "gone"])
def test_a_traced_program_that_is_not_what_was_written_is_none(folder, tmp_path, harm):
    assert folder.get("solve-1") == b"traced solve-1" * 20 and folder.get("never") is None
    file, other = (tmp_path / "traced" / f"solve-{k}" for k in (1, 2))
    content = file.read_bytes()
    harmed = {"bit": content[:9] + b"\x01" + content[10:], "cut": content[:-1], "empty": b""}
    if harm == "swap":
        file.write_bytes(other.read_bytes())
    elif harm == "gone":
        file.unlink()
    else:
        file.write_bytes(harmed[harm])
    assert folder.get("solve-1") is None
    folder.put("solve-1", b"again")
    assert folder.get("solve-1") == b"again"


def test_of_traced_programs_the_latest_are_kept(monkeypatch, tmp_path):
    monkeypatch.setattr("pumpleak.files.programs._MOST_TRACED", 3)
    folder = TracedFolder(tmp_path)
    for k in range(5):
        folder.put(str(k), b"program")
        os.utime(tmp_path / str(k), (k, k))
    assert folder.get("1") is None and folder.get("4") == b"program"
    assert len([*tmp_path.iterdir()]) == 3


def test_a_folder_that_cannot_be_made_is_no_reason_to_stop(tmp_path):
    (tmp_path / "file").write_text("")
    folder = TracedFolder(tmp_path / "file" / "traced")
    folder.put("a", b"program")
    assert folder.get("a") is None


@pytest.mark.parametrize(
    "settings, kept",
    [
        ({}, True),
        ({"JAX_ENABLE_COMPILATION_CACHE": "false"}, False),
        ({"JAX_COMPILATION_CACHE_DIR": "x"}, False),
    ],
)
def test_programs_are_kept_unless_the_environment_says_otherwise(settings, kept, monkeypatch, tmp_path):
    for name in (
        "JAX_COMPILATION_CACHE_DIR",
        "JAX_ENABLE_COMPILATION_CACHE",
        "PUMPLEAK_PROGRAMS",
        "EQX_ON_ERROR",
    ):
        monkeypatch.setenv(name, "")  # so that it is as it was afterwards, whatever the function sets
        monkeypatch.delenv(name)
    for name, value in {"XDG_CACHE_HOME": str(tmp_path), **settings}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("pumpleak.files.programs.check_programs", lambda: None)
    monkeypatch.setattr(traced, "_store", None)
    for name in ("JAX_COMPILATION_CACHE_MAX_SIZE", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        monkeypatch.setenv(name, os.environ.get(name, "1"))
    keep_programs()
    assert (traced._store is not None) == kept
