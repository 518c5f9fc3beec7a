"""After each test its process is as it was before the first: no test sees what another left behind."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from process_state import ProcessState, heed_ctrl_c, keep_compiled

_BEFORE = pytest.StashKey[ProcessState]()


def pytest_configure() -> None:
    """Run the suite in the background as in the foreground, and compile nothing twice."""
    heed_ctrl_c()
    keep_compiled()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Put back what the test changed, its fixtures and those of its module included.

    The state to go back to is the one before the first test, as fixtures that outlive a test change it too.
    """
    if _BEFORE not in item.session.stash:
        item.session.stash[_BEFORE] = ProcessState()
    outcome = yield
    item.session.stash[_BEFORE].put_back()
    return outcome
