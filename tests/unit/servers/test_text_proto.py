"""Reading the strings of protobuf's text format."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivdocker.servers.tensorflow_serving import models_in
from ivdocker.servers.text_proto import texts

TWO = """
# two of them
model_config_list {
  config {
    name: 'a'
    base_path: "/models/a"  # 'name: "x"'
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 1 versions: 2 } }
    version_labels { key: "stable" value: 1 }
  }
  config: < name: "b", base_path: "/models/b" >
}
"""


def test_a_model_config_file_names_its_models() -> None:
    assert models_in(TWO) == [("a", "/models/a"), ("b", "/models/b")]


@pytest.mark.parametrize(
    "config",
    [
        "model_config_list{config{name:'m' base_path:'/m'}}",
        'model_config_list: { config: [ { base_path: "/m" name: "m" } ] }',
        'model_config_list {\n config {\n name: "m" base_path: "/m" logging_config { log_name { name: "x" } } } }',
    ],
)
def test_a_message_may_be_written_in_several_ways(config: str) -> None:
    assert models_in(config) == [("m", "/m")]


@pytest.mark.parametrize(
    "config", ["", "}", "{{{", "custom_model_config {}", 'model_config_list { config { name: "m', "\0"]
)
def test_what_names_no_model_has_none(config: str) -> None:
    assert models_in(config) == []


def test_texts_of_one_message_have_one_number() -> None:
    found = [(text.path, text.key, text.value) for text in texts('a: "1" b { c: "2" } b { c: "3" } d: 4')]
    assert found == [((), "a", "1"), (("b",), "c", "2"), (("b",), "c", "3")]
    assert len({text.message for text in texts('b { c: "2" } b { c: "3" }')}) == 2


@given(st.text(alphabet=st.sampled_from("ab:{}[]<>\"'\\#\n ,1")))
def test_nothing_that_is_read_is_an_error(source: str) -> None:
    found = list(texts(source))
    assert all(text.key and text.message >= 0 for text in found)
