"""Exception classes that user code can meet, with the names that JAX gave them."""

from __future__ import annotations


class JitneyTypeError(TypeError):
    """A traced value was used where Python needs a concrete one."""


class ConcretizationTypeError(JitneyTypeError):
    """A traced value was used where its concrete value is needed (``int(x)``, a shape, ``arr[mask]``)."""


class TracerBoolConversionError(ConcretizationTypeError):
    """A traced value was asked for its truth: ``if x > 0``, ``while``, ``and``, ``or``, ``assert``."""


class TracerIntegerConversionError(JitneyTypeError):
    """A traced value was used as a Python integer: ``range(n)``, ``lst[i]``."""


class TracerArrayConversionError(JitneyTypeError):
    """A traced value was handed to NumPy (``np.sin(x)``, ``np.asarray(x)``)."""


class JAXIndexError(IndexError):
    """An index that cannot be: the base of ``NonConcreteBooleanIndexError``."""


class NonConcreteBooleanIndexError(JitneyTypeError, JAXIndexError):
    """A traced boolean mask was used as an index; the result's shape would depend on values."""


class UnexpectedTracerError(JitneyTypeError):
    """A traced value outlived the function that it was made in."""


class KeyReuseError(JitneyTypeError):
    """A random key was used twice."""


class JaxprTypeError(TypeError):
    """A jaxpr that breaks its grammar or its types."""


class IntegerDivisionError(ZeroDivisionError, OverflowError):
    """An integer was divided by zero while ``config.check_overflow`` was on."""


class InconclusiveDimensionOperation(ConcretizationTypeError):
    """A symbolic dimension was compared with something that it cannot be compared with."""


for _error in (
    *JitneyTypeError.__subclasses__(),
    *ConcretizationTypeError.__subclasses__(),
    IntegerDivisionError,
    JAXIndexError,
    JitneyTypeError,
    JaxprTypeError,
):
    _error.__module__ = "jitney.errors"  # where users import them from
