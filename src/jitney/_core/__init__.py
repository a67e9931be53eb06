"""The tracing core: avals, jaxprs, primitives, traces.  Begin with ``jaxpr.py``, then ``trace.py``."""
