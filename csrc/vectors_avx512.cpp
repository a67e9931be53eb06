// The arithmetic of transforms and convolutions for processors with AVX512; empty for other machines.
#if defined(__x86_64__)
#define JT_VECTOR_BYTES 64
#define JT_VECTOR_KIND avx512
#include "dots_engine.h"
#include "fft_engine.h"
#include "taps_engine.h"
#endif
