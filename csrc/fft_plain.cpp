// Fast Fourier transforms on any machine.
#define JT_FFT_BYTES 16
#define JT_FFT_ENGINE engine_plain
#include "fft_engine.h"
