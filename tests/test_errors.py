"""What is said of a name that nothing has: one wording, wherever it was given."""

import pytest

from pumpleak.errors import unknown


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "there is no ion 'Kk' (did you mean 'K'?). Known here: K, Na."),
        (
            {"within": "in the bath", "file": "a.csv", "column": "ion"},
            "a.csv, column ion: there is no ion 'Kk' in the bath (did you mean 'K'?). Known here: K, Na.",
        ),
        ({"meant": "Na"}, "there is no ion 'Kk' (did you mean 'Na'?). Known here: K, Na."),
        ({"mend": "Name one"}, "there is no ion 'Kk' (did you mean 'K'?). Name one."),
    ],
)
def test_a_name_that_nothing_has(options, text):
    assert str(unknown("ion", "Kk", ("K", "Na"), **options)) == text


def test_where_there_is_nothing_to_mean():
    assert str(unknown("ion", "Kk", ())) == "there is no ion 'Kk'. Known here: none."
