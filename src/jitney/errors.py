"""``jitney.errors``: the exception classes that user code can meet."""

from jitney._base.errors import (
    ConcretizationTypeError,
    InconclusiveDimensionOperation,
    IntegerDivisionError,
    JAXIndexError,
    JaxprTypeError,
    JitneyTypeError,
    KeyReuseError,
    NonConcreteBooleanIndexError,
    TracerArrayConversionError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
    UnexpectedTracerError,
)
from jitney._base.errors import JitneyTypeError as JAXTypeError
from jitney._base.lazily import at_first_use as _at_first_use

__getattr__, __dir__ = _at_first_use(globals(), {"jitney._api.checkify": ["JaxRuntimeError"]})

__all__ = [
    "ConcretizationTypeError",
    "InconclusiveDimensionOperation",
    "IntegerDivisionError",
    "JAXIndexError",
    "JAXTypeError",
    "JaxRuntimeError",  # noqa: F822
    "JaxprTypeError",
    "JitneyTypeError",
    "KeyReuseError",
    "NonConcreteBooleanIndexError",
    "TracerArrayConversionError",
    "TracerBoolConversionError",
    "TracerIntegerConversionError",
    "UnexpectedTracerError",
]
