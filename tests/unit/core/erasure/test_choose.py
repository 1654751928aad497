"""An engine is proven before it is used, and refused when it is wrong."""

import numpy as np
import pytest

from offchain.core.erasure import EngineMismatch, EngineUnknown
from offchain.core.erasure.choose import available_engines, choose_engine, self_test
from offchain.core.erasure.reference import ReferenceEngine

OPERATIONS = (
    "extend",
    "decode",
    "combine",
    "extend_combinations",
    "coefficients",
    "row_roots",
    "keccak_many",
)


def engine_wrong_in(operation: str) -> type[ReferenceEngine]:
    """An engine that flips one bit of what one operation returns."""

    def wrong(self, *args, **kwargs):
        result = np.array(getattr(ReferenceEngine, operation)(self, *args, **kwargs))
        result.reshape(-1)[-1] ^= 1
        return result

    return type("WrongEngine", (ReferenceEngine,), {operation: wrong})


@pytest.mark.parametrize("name", available_engines())
def test_choose_engine__each_name__is_proven_and_returned(name):
    assert name == choose_engine(name).name


def test_choose_engine__no_name__takes_the_fastest():
    assert available_engines()[0] == choose_engine().name


def test_choose_engine__unknown_name__refused():
    with pytest.raises(EngineUnknown):
        choose_engine("abacus")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_inv_da_1__engine_that_errs_in_one_operation__refused(operation):
    with pytest.raises(EngineMismatch) as caught:
        self_test("wrong", engine_wrong_in(operation))

    assert operation == caught.value.fields["operation"]


def test_self_test__integers_themselves__pass():
    self_test("reference", ReferenceEngine)
