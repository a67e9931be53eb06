"""Program transformations: forward derivatives, linearisation, transposition, batching."""
