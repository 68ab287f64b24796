"""What a sheet shows and its cells do not say: hidden, merged, struck out; mended as it says, it is read."""

import openpyxl
import pytest
from openpyxl.styles import Font

from pumpleak.data.measurements import read_table
from pumpleak.errors import InputError, InputWarning

ROWS = [["K_o_mM", "cell", "V_m_mV"], [5, "a", -77], [5, "b", -75], [20, "a", -47]]


@pytest.fixture
def book(tmp_path):
    """A workbook with one good sheet, and how to save it."""
    made = openpyxl.Workbook()
    for row in ROWS:
        made.active.append(row)
    made.file = tmp_path / "t.xlsx"
    made.read = lambda: (made.save(made.file), read_table(made.file))[1]
    return made


def refused(book, *parts):
    with pytest.raises(InputError) as caught:
        book.read()
    missing = [part for part in parts if part not in str(caught.value)]
    assert not missing, f"{missing} not in {caught.value}"


def right(book, values=(-77, -75, -47)):
    assert tuple(book.read().value) == values


def test_merged_cells(book):
    book.active["A3"] = None
    book.active.merge_cells("A2:A3")
    refused(
        book, "row 2", "cells A2:A3 are merged and hold '5'", "Unmerge them and write 5 in each of their rows"
    )
    book.active.unmerge_cells("A2:A3")
    book.active["A3"] = 5
    right(book)


def test_a_merged_section_and_a_merged_header(book):
    book.active.insert_rows(2)
    book.active["A2"] = "Wild type"
    book.active.merge_cells("A2:C2")
    refused(book, "row 2", "A2:C2 are merged and hold 'Wild type'")
    book.active.delete_rows(2)
    book.active.unmerge_cells("A2:C2")
    book.active["B1"] = None
    book.active.merge_cells("A1:B1")
    refused(book, "row 1", "A1:B1 are merged", "give each column its own")


def test_hidden_rows(book):
    book.active.row_dimensions[3].hidden = True
    refused(book, "row 3: the row is hidden in the sheet", "Show it if it is to be read, else delete it")
    book.active.row_dimensions[4].hidden = True
    refused(book, "row 3: rows 3 and 4 are hidden")
    book.active.row_dimensions[3].hidden = book.active.row_dimensions[4].hidden = False
    right(book)


def test_filtered_rows(book):
    book.active.auto_filter.ref = "A1:C4"
    book.active.auto_filter.add_filter_column(1, ["a"])
    right(book)  # a filter that hides nothing
    book.active.row_dimensions[3].hidden = True
    refused(book, "row 3", "hidden by a filter")
    book.active.delete_rows(3)
    book.active.row_dimensions[3].hidden = False
    right(book, (-77, -47))


def test_hidden_columns_are_told(book):
    book.active.column_dimensions["A"].hidden = True
    with pytest.warns(InputWarning, match="hidden column is read as any other: K_o_mM"):
        right(book)


def test_what_is_struck_out(book):
    book.active["C3"].font = Font(strike=True)
    refused(book, "row 3", "a line goes through C3", "take the line off")
    book.active["A3"].font = Font(strike=True)
    refused(book, "row 3", "lines go through A3 and C3")
    book.active["A3"].font = book.active["C3"].font = Font(strike=False)
    right(book)


def test_the_sheet_that_holds_a_table(book):
    notes = book.create_sheet("README", 0)
    notes["A1"] = "Readings of Tuesday"
    right(book)
    notes["A2"] = "and of Wednesday"
    right(book)


def test_hidden_sheets_come_last(book):
    old = book.create_sheet("old", 0)
    for row in (["V_m_mV"], [-1]):
        old.append(row)
    old.sheet_state = "hidden"
    with pytest.warns(InputWarning, match="read sheet 'Sheet' only, not old"):
        right(book)


def test_a_sheet_is_named_behind_the_file(book, tmp_path):
    other = book.create_sheet("2nd day")
    for row in [["K_o_mM", "V_m_mV"], [2.5, -90]]:
        other.append(row)
    book.save(book.file)
    with pytest.warns(InputWarning, match="not 2nd day. Name one behind the file: .*t.xlsx#2nd day") as told:
        assert len(read_table(book.file).value) == 3
    named = str(told[0].message).rpartition("file: ")[2].removesuffix(".")
    assert read_table(named).value.tolist() == [-90] and read_table(named).file == named
    with pytest.raises(InputError, match="there is no sheet '3rd day'"):
        read_table(f"{book.file}#3rd day")
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "gone.xlsx#2nd day")
    (tmp_path / "c#1.csv").write_text("K_o_mM,V_m_mV\n5,-77\n")
    assert read_table(tmp_path / "c#1.csv").value.tolist() == [-77]
