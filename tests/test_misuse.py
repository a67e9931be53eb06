"""Arguments of wrong kinds, ranks and sizes end in an error that says so, never in one of our own or in a hang."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import jitney
import jitney.numpy as jnp
from jitney import lax, nn, random
from jitney.scipy import fft, linalg

KEY = random.key(0)
HUGE = 10**18

# name: (program, words of the message)
_PROGRAMS: dict[str, tuple[Any, str]] = {
    "round": (lambda: jnp.round(jnp.ones(3), decimals=[]), "integer"),
    "put_along_axis": (lambda: jnp.put_along_axis(jnp.arange(3), 1, 0, 0, inplace=False), "as many axes"),
    "triu_indices_from": (lambda: jnp.triu_indices_from(jnp.ones(3)), "needs a matrix"),
    "delete": (lambda: jnp.delete(jnp.ones(3), 1.5), "integers or a mask"),
    "insert": (lambda: jnp.insert(jnp.ones(3), 1.5, 0.0), "integers, a mask or a slice"),
    "repeat": (lambda: jnp.repeat(jnp.ones(3), np.array([1, 2])), "3 slices"),
    "arange": (lambda: jnp.arange(0, 3, 0), "step"),
    "keys in lax": (lambda: lax.atan2(KEY, 1), "key<fry>"),
    "bitcast": (lambda: lax.bitcast_convert_type(jnp.ones(3), "U"), "dtype"),
    "lax.tile": (lambda: lax.tile(jnp.ones((3, 3)), [None, 1]), "integer"),
    "dimension numbers": (lambda: lax.conv_general_permutations([1, 2, 3]), "three texts"),
    "window": (lambda: lax.reduce_window_shape_tuple((3,), (1.5,), (1,), [(0, 0)]), "integer"),
    "cross": (lambda: jnp.linalg.cross(jnp.arange(3), 2.5), "out of bounds"),
    "fftshift": (lambda: jnp.fft.fftshift(jnp.ones(3), axes=1), "out of bounds"),
    "glu": (lambda: nn.glu(1.0), "out of bounds"),
    "qr_multiply": (lambda: linalg.qr_multiply(jnp.ones((2, 3, 4)), 1.0), "shape"),
    "dct": (lambda: fft.dct(jnp.ones(0)), "at least one"),
    "idct": (lambda: fft.idct(jnp.ones(0)), "at least one"),
    "pascal": (lambda: linalg.pascal(HUGE), "largest float"),
    "invpascal": (lambda: linalg.invpascal(HUGE), "largest float"),
    "invhilbert": (lambda: linalg.invhilbert(HUGE), "largest float"),
    "dtype": (lambda: jnp.zeros(3, 4), "tuple"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", _PROGRAMS)
def test_misuse(name: str) -> None:
    program, words = _PROGRAMS[name]
    with pytest.raises((TypeError, ValueError, ZeroDivisionError), match=words):
        program()


@pytest.mark.parametrize("shape", [(HUGE,), (HUGE, HUGE), (10**9, 10**9)])
def test_sizes_beyond_memory(shape: tuple[int, ...]) -> None:
    programs = (
        lambda: jnp.zeros(shape),
        lambda: random.normal(KEY, shape),
        jitney.jit(lambda: jnp.ones(shape)),
        jitney.jit(lambda: jnp.broadcast_to(1.0, shape) + 1),
    )
    for program in programs:
        with pytest.raises((MemoryError, ValueError, OverflowError)):
            program()


def test_nothing_is_deleted_or_inserted() -> None:
    for j in (jnp, jax.numpy):
        np.testing.assert_array_equal(j.delete(j.ones(3), np.array([], int)), np.ones(3))
    np.testing.assert_array_equal(jnp.delete(jnp.ones(3), []), np.ones(3))  # as in NumPy
    np.testing.assert_array_equal(jnp.insert(jnp.ones(3), [], []), np.ones(3))


def test_integers_of_numpy_choose_diagonals() -> None:
    for k in (np.int8(1), np.int64(-1)):
        got = jitney.jit(lambda v: jnp.diagflat(v, k))(jnp.ones(2))  # noqa: B023
        np.testing.assert_array_equal(got, np.diagflat(np.ones(2), k))


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")  # JAX's
def test_complex_numbers_lose_their_imaginary_part_with_a_warning() -> None:
    for j in (jnp, jax.numpy):
        with pytest.warns(FutureWarning, match="incompatible types"):
            np.testing.assert_array_equal(j.ones(3).at[0].set(2 + 1j), [2.0, 1.0, 1.0])


def test_the_call_is_a_note() -> None:
    with pytest.raises(ValueError, match="out of bounds") as caught:
        jitney.vmap(lambda x: jnp.sum(x, axis=3))(jnp.ones((5, 2, 3)))
    assert caught.value.__notes__ == [
        "Called as jnp.sum(f64[2,3], axis=3), for each of 5 examples of a vmap."
    ]


def test_late_errors_name_the_line() -> None:
    def f(x: Any) -> Any:
        return jnp.sin(x) * 2

    with pytest.raises(NotImplementedError, match="not linear") as caught:
        jitney.linear_transpose(f, 1.0)(1.0)
    assert "in test_late_errors_name_the_line.<locals>.f" in caught.value.__notes__[0]
    assert "return jnp.sin(x) * 2" in caught.value.__notes__[0]
