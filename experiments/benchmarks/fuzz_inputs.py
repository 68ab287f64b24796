"""Inputs for `fuzz.py`: sound tables, configs, workbooks, command lines and results, changed in one or a few places."""

import csv
import io
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

HEADER = ["label", "solution", "T_degC", "K_o_mM", "Na_o_mM", "V_m_mV", "V_m_sem_mV"]
ROWS = [
    ["low", "A", "22", "2.5", "147.5", "-86.2", "1"],
    ["rest", "A", "22", "5", "145", "-75.3", "1"],
    ["high", "B", "22", "20", "130", "-46.4", "1.5"],
    ["higher", "B", "22", "60", "90", "-20.3", "1"],
]
CONFIG = """\
title: A titration
model: ghk
ions: [K, Na]
data: cells.csv
quantities:
  P_Na_rel: {prior: lognormal, median: 0.05, factor: 3}
  K_i_mM: 140
  Na_i_mM: 10
  V_offset_mV: {prior: normal, mean: 0, sd: 2}
  LJP_mV: 0
"""
PLATE = """\
title: A plate
data: plate.csv
quantities: {T_degC: 25, P_Na_rel: {prior: lognormal, median: 0.05, factor: 3}, K_i_mM: 130, Na_i_mM: 12, Na_o_mM: 140}
"""
FIRST = 2  # column from which on a row holds numbers
NAN = math.nan

#: What may stand in a cell, and what it may be read as where it is read at all; nothing: it must be refused.
TOKENS: list[tuple[str, set[float]]] = [
    ("5", {5}), ("5.0", {5}), ("+5", {5}), ("5e0", {5}), ("50E-1", {5}), ("05", {5}), ("5.", {5}), (" 5 ", {5}),
    ("\u00a05", {5}), ("-5", {-5}), ("\u22125", {-5}), ("\u20135", {-5}), ("1e1", {10}), ("1e-3", {1e-3}), ("0", {0}),
    ("-0", {0}), ("5,0", {5}), ("1.000,5", {1000.5}), ("1,000", set()), ("1 000", {1000}), ("\uff11\uff10", {10}),
    ("\u0663", {3}), ("\U0001d7d3", {5}), ("5 \u00b1 1", {5}), ("", {NAN}), (" ", {NAN}), ("\t", {NAN}),
    ("NA", {NAN}), ("N/A", {NAN}), ("#N/A", {NAN}), ("-", {NAN}), ("\u2014", {NAN}), ("nan", {NAN}), ("null", {NAN}),
    ("five", set()), ("<5", set()), (">5", set()), ("~5", set()), ("5?", set()), ("5*", set()), ("5%", set()),
    ("5 m", set()), ("inf", set()), ("-inf", set()), ("Infinity", set()), ("1e999", set()), ("1e308", set()),
    ("0x10", set()), ("1_0", set()), ("5;6", set()), ("5\n6", set()), ("5 6", set()), ("--5", set()), ("5-", set()),
    ("TRUE", set()), ("yes", set()), ("2024-01-02", set()), ("12:30", set()), ("=5+1", set()), ("#DIV/0!", set()),
    ("\x1b[2J5", set()), ("5\u200b", {5}), ("\u202e5", set()), ("9" * 400, set()), ("x" * 20_000, set()),
]  # fmt: skip
#: What may stand anywhere in a config.
SCALARS = [
    "", "~", "null", "true", "yes", "no", "[]", "{}", "[1, 2]", "{a: 1}", "!!python/name:os.system x", "!!float ''",
    "!!binary aGk=", "*nobody", "&a 5", "5", "-5", "0", ".nan", ".inf", "1e999", "0x10", "0o17", "1_0", "12:30:45",
    "2024-01-02", "5 mM", "5 mV", "5 ± 1 mM", "'5'", '"\\ud800"', '"\\x00"', "|\n    5", ">\n    5", "x", "x: y",
    "'x' y", "9" * 400, "x" * 5000, "EDIT", "davies", "{prior: normal}", "{prior: normal, mean: 5, sd: 1}",
    "{prior: beta, a: 1, b: 9}", "{prior: halfnormal, sd: 1}", "{prior: uniform, lower: 1, upper: 9}",
    "{prior: lognormal, median: 5, factor: 2, by: solution}", "{prior: lognormal, median: 5, factor: 2, by: x}",
    "{swap_for: K_o, total: 150}", "{pipette: {K_mM: 140, Cl_mM: 140}}", "\u2212\u0033", "\uff15", "%x", "@x", "`x",
]  # fmt: skip
WORDS = ["", "-", "--", "--json", "--out", "--force", "--seed", "--seed=7", "-5", "x", "cells.csv", "cells.yaml", ".",
    "/", "/dev/null", "nowhere.yaml", "\x00", "\x1b[2J", "é", "x" * 300, "x" * 5000, "--set", "K_i=140", "K_i_mM=5 mM",
    "P_Na_rel=0.03", "P_Na_rel=", "=", "1e308", "9" * 30, "--engine", "laplace", "--draws", "--plugin", "--help",
    "--all", "check", "init", "presets", "show", "neuron", "--from", "result", "--starts", "2", "--method", "ml"]  # fmt: skip


class Input(NamedTuple):
    """One input, written into the working folder.

    Attributes:
        what: the sort of input and of change.
        command: to run there.
        table: (row, column) -> what the number there may be read as, where anything is checked.
        known: quantity -> what a number of the config may be read as.
        answer: what the command printed before its files were damaged; '' where nothing is compared.
        sound: whether nothing but an answer will do.
    """

    what: str
    command: list[str]
    table: dict[tuple[int, str], set[float]] = {}
    known: dict[str, set[float]] = {}
    answer: str = ""
    sound: bool = False


def pick(rng: np.random.Generator, values):
    return values[int(rng.integers(len(values)))]


# -- tables --------------------------------------------------------------------------------------


def expected_of(rows: list[list[str]]) -> dict[tuple[int, str], set[float]]:
    """What plain numbers are read as; other texts are not judged."""
    plain = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
    out = {}
    for r, row in enumerate(rows):
        for name, text in list(zip(HEADER, row, strict=True))[FIRST:]:
            if plain.fullmatch(text.strip()):
                out[r, name] = {float(text)}
            elif not text.strip():
                out[r, name] = {NAN}
    return out


def written(rows: list[list[str]], separator: str = ",") -> str:
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator, lineterminator="\n").writerows([HEADER, *rows])
    return stream.getvalue()


def some_tokens(rng, rows) -> dict[tuple[int, str], set[float]]:
    """Put tokens into one or two cells; what each may be read as."""
    out = {}
    for _ in range(int(rng.integers(1, 3))):
        r, c = int(rng.integers(len(rows))), int(rng.integers(FIRST, len(HEADER)))
        rows[r][c], out[r, HEADER[c]] = pick(rng, TOKENS)
    return out


def damaged(rng, data: bytes) -> bytes:
    """A few bytes changed, put in or left out; or the end cut off."""
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(max(1, len(data))))
        what = int(rng.integers(4))
        if what == 0 and data:
            data[at % len(data)] ^= 1 << int(rng.integers(8))
        elif what == 1:
            data[at:at] = rng.bytes(int(rng.integers(1, 4)))
        elif what == 2:
            del data[at : at + int(rng.integers(1, 8))]
        else:
            data = data[:at]
    return bytes(data)


def reshaped(rng, text: str) -> str:
    """Lines and fields of a table moved, doubled, left out or put in."""
    lines = text.splitlines()
    at = int(rng.integers(len(lines)))
    fields = lines[at].split(",")
    k = int(rng.integers(len(fields)))
    changes: list[Callable[[], Any]] = [
        lambda: lines.insert(at, lines[at]),
        lambda: lines.pop(at),
        lambda: lines.insert(
            at, pick(rng, ["", "# note", ",,,,,,", "mean,,22,5,140,-60,1", "n = 4", '"', ",", "\x00"])
        ),
        lambda: lines.__setitem__(at, ",".join(fields[:k] + fields[k + 1 :])),
        lambda: lines.__setitem__(at, ",".join([*fields[:k], pick(rng, TOKENS)[0], *fields[k:]])),
        lambda: lines.__setitem__(
            0, lines[0].replace(pick(rng, HEADER), pick(rng, HEADER + ["K", "V_m", "x", "", "K_o_M"]))
        ),
        lambda: lines.__setitem__(slice(None), [x.replace(",", pick(rng, ";\t| ")) for x in lines]),
        lambda: lines.__setitem__(slice(None), [*lines[:1], *rng.permutation(lines[1:]).tolist()]),
    ]
    pick(rng, changes)()
    return "\n".join(lines) + "\n"


def table(rng, folder: Path, stock) -> Input:
    rows, expected = [list(r) for r in ROWS], {}
    how = pick(rng, ["tokens", "tokens", "tokens", "as it is", "lines", "bytes"])
    suffix, encoding, end, separator = "csv", "utf-8", "\n", ","
    if how == "tokens":
        expected = some_tokens(rng, rows)
    if how in ("tokens", "as it is"):
        encoding = pick(rng, ["utf-8", "utf-8", "utf-8-sig", "utf-16"])
        suffix, separator = pick(rng, [("csv", ","), ("csv", ","), ("tsv", "\t"), ("csv", ";")])
        end = pick(rng, ["\n", "\n", "\r\n", "\r"])
        expected = expected_of(rows) | expected
    text = written(rows, separator).replace("\n", end)
    if how == "lines":
        text = reshaped(rng, text)
    data = text.encode(encoding, "surrogatepass")
    (folder / f"cells.{suffix}").write_bytes(damaged(rng, data) if how == "bytes" else data)
    if rng.random() < 0.15:
        return Input(
            f"table, {how}: init",
            ["init", f"cells.{suffix}", "--out", "new.yaml"],
            sound=how == "as it is" and encoding != "utf-16",
        )
    (folder / "cells.yaml").write_text(CONFIG.replace("cells.csv", f"cells.{suffix}"), encoding="utf-8")
    # A token that holds the line's end is another one in that file.
    judged = expected if end == "\n" or how != "tokens" else {}
    return Input(
        f"table, {how}: check",
        ["check", "cells.yaml"],
        judged,
        sound=how == "as it is" and encoding != "utf-16",
    )


def parquet(rng, folder: Path, stock) -> Input:
    import pyarrow as pa
    import pyarrow.parquet as pq

    how = pick(rng, ["types", "types", "bytes"])
    columns: dict[str, Any] = {name: [r[k] for r in ROWS] for k, name in enumerate(HEADER)}
    for name in HEADER[FIRST:]:
        columns[name] = pa.array([float(x) for x in columns[name]])
    if how == "types":
        name, values = pick(rng, HEADER[FIRST:]), columns["label"]
        values = columns[name].to_pylist()
        changed: list[Callable[[], Any]] = [
            lambda: pa.array(values, pa.float32()),
            lambda: pa.array([str(x) for x in values]),
            lambda: pa.array([str(x) for x in values], pa.large_string()),
            lambda: pa.array([str(x) for x in values]).dictionary_encode(),
            lambda: pa.array([str(x).encode() for x in values]),
            lambda: pa.array([int(x) for x in values], pa.int16()),
            lambda: pa.array([None] * len(values)),
            lambda: pa.array([[x] for x in values]),
            lambda: pa.array([{"x": x} for x in values]),
            lambda: pa.array([x > 0 for x in values]),
            lambda: pa.array([int(abs(x)) for x in values], pa.timestamp("s")),
            lambda: pa.array([int(abs(x)) for x in values], pa.duration("s")),
            lambda: pa.array(values).cast(pa.decimal128(12, 4)),
            lambda: pa.array([values[0], None, NAN, math.inf]),
        ]
        columns[name] = pick(rng, changed)()
    pq.write_table(pa.table(columns), folder / "cells.parquet")
    if how == "bytes":
        (folder / "cells.parquet").write_bytes(damaged(rng, (folder / "cells.parquet").read_bytes()))
    (folder / "cells.yaml").write_text(CONFIG.replace("cells.csv", "cells.parquet"), encoding="utf-8")
    verb = ["init", "cells.parquet", "--out", "new.yaml"] if rng.random() < 0.2 else ["check", "cells.yaml"]
    return Input(f"parquet, {how}: {verb[0]}", verb)


def xlsx(rng, folder: Path, stock) -> Input:
    import datetime

    import openpyxl
    from openpyxl.utils.exceptions import IllegalCharacterError

    how = pick(rng, ["tokens", "cells", "bytes"])
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    rows, expected = [list(r) for r in ROWS], {}
    if how == "tokens":
        expected = some_tokens(rng, rows)
    for r, row in enumerate([HEADER, *rows], 1):
        for c, text in enumerate(row, 1):
            numeric = r > 1 and c > FIRST and (r - 2, HEADER[c - 1]) not in expected
            try:
                sheet.cell(r, c, float(text) if numeric else text or None)
            except (IllegalCharacterError, ValueError):
                sheet.cell(r, c, "five")
                expected[r - 2, HEADER[c - 1]] = set()
    expected = {k: {NAN} if text_of(rows, k).startswith("=") else v for k, v in expected.items()}
    at = sheet.cell(int(rng.integers(1, 6)), int(rng.integers(1, 8)))
    if how == "cells":
        changes: list[Callable[[], Any]] = [
            lambda: setattr(at, "value", pick(rng, [True, 0.1 + 0.2, 10**30, datetime.datetime(2024, 1, 2), "=1/0", "#REF!", datetime.time(12, 30)])),
            lambda: sheet.merge_cells(start_row=2, end_row=3, start_column=at.column, end_column=at.column),
            lambda: sheet.insert_rows(1), lambda: sheet.insert_cols(1), lambda: sheet.delete_cols(at.column),
            lambda: book.create_sheet("second"), lambda: setattr(at, "number_format", "0.00%"),
            lambda: setattr(sheet.row_dimensions[3], "hidden", True), lambda: setattr(sheet, "title", "\u2212 x"),
        ]  # fmt: skip
        pick(rng, changes)()
    book.save(folder / "cells.xlsx")
    if how == "bytes":
        (folder / "cells.xlsx").write_bytes(damaged(rng, (folder / "cells.xlsx").read_bytes()))
    (folder / "cells.yaml").write_text(CONFIG.replace("cells.csv", "cells.xlsx"), encoding="utf-8")
    return Input(f"workbook, {how}: check", ["check", "cells.yaml"], expected)


def text_of(rows: list[list[str]], place: tuple[int, str]) -> str:
    return rows[place[0]][HEADER.index(place[1])]


# -- configs, command lines, results -------------------------------------------------------------


def config(rng, folder: Path, stock) -> Input:
    (folder / "cells.csv").write_text(written(ROWS))
    lines = CONFIG.splitlines()
    how, known = pick(rng, ["number", "value", "value", "key", "lines", "bytes"]), {}
    at = int(rng.integers(len(lines)))
    if how == "number":
        at, (text, meaning) = 6, pick(rng, TOKENS)
        quoted = not re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", text, re.I) or rng.random() < 0.3
        text = f'"{text.encode("unicode_escape").decode()}"' if quoted else text
        lines[at] = f"  K_i_mM: {text}"
        known = {"K_i": meaning - {NAN}}
    elif how == "value":
        lines[at] = f"{lines[at].partition(':')[0]}: {pick(rng, SCALARS)}"
        if rng.random() < 0.3:  # inside of a mapping
            lines[5] = CONFIG.splitlines()[5].replace(
                pick(rng, ["lognormal", "0.05", "3"]), pick(rng, SCALARS)
            )
    elif how == "key":
        key, _, rest = lines[at].partition(":")
        lines[at] = (
            f"{pick(rng, [key + 'x', key[:-1], key.upper(), '  ' + key, '? ' + key, '5', '', '<<', '~', key.replace('_mM', '_M'), key.replace('K', 'Q')])}:{rest}"
        )
    elif how == "lines":
        other = lines[int(rng.integers(len(lines)))]
        pick(rng, [lambda: lines.insert(at, other), lambda: lines.pop(at), lambda: lines.insert(at, pick(rng, ["---", "...", "%YAML 9.9", "- 5", "\t", "noise: student_t", "sampler: {draws: 60}", "batch: {}", "rounding_mV: 0.1", "floor_mV: -90", "observables: [E_K]", "missing: [5]", "columns: {x: y}", "sheet: x", "solutions: {B: {LJP_mV: 2}}", "reference: Na", "design: {}"]))])()  # fmt: skip
    text = "\n".join(lines) + "\n"
    data = text.encode("utf-8", "surrogatepass")
    (folder / "cells.yaml").write_bytes(damaged(rng, data) if how == "bytes" else data)
    verb = pick(rng, [["check"], ["check"], ["check"], ["predict"]])
    return Input(f"config, {how}: {verb[0]}", [*verb, "cells.yaml"], {}, known)


COMMANDS = [
    "check cells.yaml", "check cells.yaml --json", "init cells.csv --out new.yaml", "init cells.csv --force",
    "predict cells.yaml --set P_Na_rel=0.03", "predict cells.yaml --set K_i_mM=120 --json --seed 3",
    "predict cells.yaml --from result", "report result --out page.html", "presets list", "presets show neuron",
    "datasets list", "datasets show inab_2021", "steady-state neuron --set K_o_mM=10", "steady-state neuron --json",
    "infer cells.yaml --engine laplace --draws 100 --out out --seed 2", "fit cells.yaml --starts 4",
    "check cells.csv", "batch plate.yaml --out other --plan", "--version", "--help", "design cells.yaml --rows 0",
]  # fmt: skip


def command(rng, folder: Path, stock) -> Input:
    shutil.copytree(stock().folder, folder, dirs_exist_ok=True)
    words = pick(rng, COMMANDS).split()
    verb = words[0]
    for _ in range(int(rng.integers(1, 3))):
        at, other = int(rng.integers(len(words) + 1)), pick(rng, WORDS)
        k = at % max(1, len(words))
        what = int(rng.integers(5))
        if what == 0:
            words.insert(at, other)
        elif what == 1 and words:
            words[k] = other
        elif what == 2 and words:
            words.pop(k)
        elif what == 3 and words:
            words[k] = words[k][: max(1, len(words[k]) // 2)] + other[:3]
        else:
            words += [pick(rng, ["--json", "--force", "--seed", "--set", "--out"]), other]
    return Input(f"command line: {verb}", words)


def result(rng, folder: Path, stock) -> Input:
    """A file of a result or of a batch damaged, emptied, gone, or another's: what is answered is what was before."""
    sound = stock()
    shutil.copytree(sound.folder, folder, dirs_exist_ok=True)
    of = pick(rng, ["result", "result", "run"])
    path = pick(rng, sorted(p for p in (folder / of).rglob("*") if p.is_file() and p.suffix != ".html"))
    other = pick(rng, sorted(p for p in folder.rglob("*") if p.is_file()))
    how = pick(rng, ["bytes", "bytes", "empty", "gone", "folder", "swapped", "text"])
    data = path.read_bytes()
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how == "bytes":
        path.write_bytes(damaged(rng, data))
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "swapped":
        path.write_bytes(data if other == path else other.read_bytes())
    elif how == "text":
        path.write_bytes(re.sub(rb"\d(?=\D*$)", b"7", data, count=1))
    words = sound.command_on[of]
    name = re.sub(r"\d[\d.]*", "N", path.relative_to(folder / of).as_posix())
    answer = "" if how == "text" else sound.answers[of]
    return Input(f"{of}, {how}: {words[0]} after {name}", list(words), {}, {}, answer)


#: Maker, and how often it is taken.
MAKERS: list[tuple[Callable[..., Input], float]] = [
    (table, 0.32), (config, 0.30), (parquet, 0.07), (xlsx, 0.07), (command, 0.14), (result, 0.10),
]  # fmt: skip
