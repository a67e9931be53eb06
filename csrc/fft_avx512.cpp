// Fast Fourier transforms for processors with AVX512; empty for other machines.
#if defined(__x86_64__)
#define JT_FFT_BYTES 64
#define JT_FFT_ENGINE engine_avx512
#include "fft_engine.h"
#endif
