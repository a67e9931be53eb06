// What the callable wrappers Boundary and JitFunction share: metadata, binding as methods, pickling, copying.
#pragma once

#include "jitney.h"

#include <structmember.h>

namespace jt {

// Copies name, module and docstring of `fn` into the wrapper's dict and sets __wrapped__, as functools.wraps does.
int adopt_metadata(PyObject** dict, PyObject* fn);
PyObject* bind_method(PyObject* self, PyObject* obj, PyObject* type);
// __reduce__: what the hook "reduce" returns, else the qualified name, as for plain functions.
PyObject* reduce_by_name(PyObject* self, PyObject*);
// __copy__ and __deepcopy__, as of plain functions.
PyObject* copy_itself(PyObject* self, PyObject*);

}  // namespace jt
