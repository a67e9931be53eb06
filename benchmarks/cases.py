"""All cases: each file registers its own when imported."""

# ruff: noqa: F401, I001
import elementwise
import reductions
import movement
import ordering
import matrices
import transforms
import random_numbers
import inference
import simulation
import networks
import loops
import long_programs
import tour_programs
import tour_fits
import tour_calls
