"""The loop IR as data: begin with ``ir.py`` (grammar), then ``index.py`` and ``builder.py``."""
