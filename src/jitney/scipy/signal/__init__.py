"""``jitney.scipy.signal``: convolutions, correlations and spectra under SciPy's names."""

from jitney._api.calls import expose as _expose
from jitney.scipy.signal.convolutions import *
from jitney.scipy.signal.spectra import *

_expose(globals())
