// Fast Fourier transforms for processors with AVX2; empty for other machines.
#if defined(__x86_64__)
#define JT_FFT_BYTES 32
#define JT_FFT_ENGINE engine_avx2
#include "fft_engine.h"
#endif
