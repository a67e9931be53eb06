// The arithmetic of transforms and convolutions on any machine.
#define JT_VECTOR_BYTES 16
#define JT_VECTOR_KIND plain
#include "dots_engine.h"
#include "fft_engine.h"
#include "taps_engine.h"
