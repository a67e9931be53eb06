// Names and addresses of the routines that call BLAS and LAPACK.
#pragma once

#include <cstdint>

namespace jt {

struct RoutineEntry {
    const char* name;
    void (*fn)(void** ins, void** outs, const int64_t* args);
};

const RoutineEntry* factorisations();  // factorisations.cpp; ends with a null name
const RoutineEntry* condensed_forms();  // condensed.cpp
const RoutineEntry* products();        // products.cpp
const RoutineEntry* convolutions();    // convolution.cpp

}  // namespace jt
