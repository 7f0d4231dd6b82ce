"""The options can be copied, and sent to another process."""

from __future__ import annotations

import copy
import pickle

import pytest

from ivdocker.container.options import RunOptions
from ivdocker.servers.records import Routes


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("options", [RunOptions(), RunOptions(env={"A": "b"}, routes=Routes(1), env_files=("x",))])
def test_options_can_be_pickled_and_copied(options: RunOptions, protocol: int) -> None:
    for found in (pickle.loads(pickle.dumps(options, protocol)), copy.copy(options), copy.deepcopy(options)):
        assert type(found) is RunOptions
        assert found == options
