"""The ground floor: errors, configuration, dtypes, source locations.  Imports nothing of jitney."""
