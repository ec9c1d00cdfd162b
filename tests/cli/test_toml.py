"""TOML that is written reads back the same, and lines are found."""

import tomllib

import pytest

from operax.cli import toml

TABLES = {
    "top": 1,
    "input": {"path": 'C:\\a "b"\n\x7f\tµm', "spacing": [0.1, 2e-300, 1e22], "flag": True, "count": -3},
    "fit": {"law": {"law": "a+b", "prior": {"mean": -0.0, "std": float("inf")}}, "list": [[1, 2], []]},
    "with space": {"dotted.key": "x"},
    "empty": {},
}


def test_what_is_written_reads_back_the_same():
    text = toml.written(TABLES)
    assert tomllib.loads(text) == TABLES
    assert isinstance(tomllib.loads(text)["input"]["spacing"][2], float)


def test_what_is_not_given_is_left_out():
    assert toml.written({"a": {"b": None, "c": {"d": None, "e": 1}}}) == "[a]\nc = {e = 1}\n"


def test_what_toml_cannot_say_is_refused():
    with pytest.raises(TypeError, match="has no form in TOML"):
        toml.written({"a": {"b": object()}})


def test_lines_of_tables_and_keys_are_found():
    text = '# a comment\nfirst = 1\n[table]  # why\n\nkey = [\n  1,\n]\n"quoted" = 2\n[table.inner]\na.b = 3\n'
    assert toml.lines(text) == {
        ("first",): 2,
        ("table",): 3,
        ("table", "key"): 5,
        ("table", "quoted"): 8,
        ("table", "inner"): 9,
        ("table", "inner", "a", "b"): 10,
    }


@pytest.mark.parametrize(("text", "found"), [("2e-3", 2e-3), ("{a = [1, 2]}", {"a": [1, 2]}), ("'x'", "x")])
def test_one_value_is_read(text, found):
    assert toml.value(text) == found


@pytest.mark.parametrize("text", ["{a=", "1\nb = 2", "", "value"])
def test_what_is_no_value_is_refused(text):
    with pytest.raises(ValueError, match="TOML value"):
        toml.value(text)


def test_a_byte_order_mark_is_no_part_of_the_config(tmp_path):
    path = tmp_path / "a.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\n")
    assert toml.read(path) == ({"a": 1}, {("a",): 1})


def test_a_config_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no config file"):
        toml.read(tmp_path / "a.toml")
