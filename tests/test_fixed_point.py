import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed, dyadic, integer_format

formats = st.builds(Fixed, st.integers(1, 16), st.integers(-4, 12), st.booleans())


@given(formats, st.floats(-1e4, 1e4))
def test_rounding_is_down_to_the_grid_and_saturates(format, value):
    rounded = float(format.quantise(np.array([value]))[0])
    assert format.low <= rounded <= format.high
    assert (rounded / format.step).is_integer()
    if format.low <= value <= format.high:
        assert rounded <= value < rounded + format.step
    assert Fixed.parse(str(format)) == format


@pytest.mark.parametrize("text", ["fixed<8>", "int<8>", "fixed<8,3", "", "fixed<0,0>", "fixed<64,3>"])
def test_other_formats_are_refused_by_name(text):
    with pytest.raises(StudyError, match="fixed"):
        Fixed.parse(text)


@given(st.integers(-(2**30), 2**30), st.integers(-(2**30), 2**30))
def test_the_integer_format_is_the_smallest_that_holds_both(a, b):
    low, high = sorted((a, b))
    format = integer_format(low, high)
    assert format.low_code <= low and high <= format.high_code
    smaller = Fixed(format.bits - 1, format.bits - 1)
    assert format.bits == 2 or not (smaller.low_code <= low and high <= smaller.high_code)


@given(st.lists(st.floats(-100, 100, allow_subnormal=False), min_size=1), st.integers(2, 12))
def test_dyadic_numbers_are_short_and_near(values, significant):
    codes, fraction = dyadic(np.array(values), significant)
    error = np.abs(codes * 2.0**-fraction - values)
    # Half a bit of its own for each, or half a bit of the common grid for the smallest.
    assert (error <= np.maximum(np.abs(values) * 2.0**-significant, 2.0 ** -(fraction + 1)) * 1.0001).all()
    lowest = codes & -codes
    assert (np.abs(codes) <= lowest * 2**significant).all()
    assert not codes.any() or (codes & 1).any()