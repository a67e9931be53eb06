"""The compiler: begin in ``pipeline.py``, which lists the passes."""
