"""What every revert test says: exactly this reason, and nothing moved."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import boa

Refused = Callable[[str], AbstractContextManager[None]]


def refusing(picture: Callable[[], object]) -> Refused:
    """The call inside reverts with exactly the reason, and `picture` is the same afterwards."""

    @contextmanager
    def check(reason: str) -> Iterator[None]:
        before = picture()
        with boa.reverts(reason):
            yield
        assert before == picture()

    return check
