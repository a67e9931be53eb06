// The extension module jitney._ext: what Python sees of the array, the dispatcher and the native runtime.
// Hot types and functions are plain CPython (no argument conversion in the way); nanobind binds the rest.
#define JT_IMPORT_NUMPY
#include "jitney.h"

#include <nanobind/nanobind.h>

namespace nb = nanobind;

namespace jt {

void init_loader(nb::module_& m);  // loader.cpp

PyObject* hook_aval = nullptr;
PyObject* hook_flatten = nullptr;
PyObject* hook_reduce = nullptr;
PyObject* hook_refused = nullptr;
PyObject* hook_failed = nullptr;
PyObject* hook_same = nullptr;

namespace {

nb::object register_hook(const char* name, nb::object fn) {
    PyObject** slot = !strcmp(name, "aval")      ? &hook_aval
                      : !strcmp(name, "flatten") ? &hook_flatten
                      : !strcmp(name, "reduce")  ? &hook_reduce
                      : !strcmp(name, "refused") ? &hook_refused
                      : !strcmp(name, "failed")  ? &hook_failed
                      : !strcmp(name, "same")    ? &hook_same
                                                 : nullptr;
    if (!slot) throw nb::value_error("the hooks are aval, flatten, reduce, refused, failed and same");
    nb::object old = *slot ? nb::steal(*slot) : nb::none();
    *slot = fn.is_none() ? nullptr : fn.release().ptr();
    return old;
}

nb::dict stats() {
    PoolStats s = pool_stats();
    nb::dict d;
    d["live_bytes"] = s.live_bytes;
    d["cached_bytes"] = s.cached_bytes;
    d["cached_limit"] = s.cached_limit;
    d["hits"] = s.hits;
    d["misses"] = s.misses;
    return d;
}

void check(bool ok) {
    if (!ok) throw nb::python_error();
}

}  // namespace
}  // namespace jt

NB_MODULE(_ext, m) {
    using namespace jt;
    check(PyArray_ImportNumPyAPI() == 0);
    install_fork_handlers();
    nanobind::set_leak_warnings(false);  // compiled functions live as long as the process where libraries cache them
    m.attr("__doc__") = "Arrays, jit dispatch, threads and memory of jitney, in C++.";
    check(init_array(m.ptr()) == 0 && init_boundary(m.ptr()) == 0 && init_executable(m.ptr()) == 0 &&
          init_dispatch(m.ptr()) == 0 && init_random(m.ptr()) == 0);
    for (PyMethodDef* functions :
         {array_functions, operator_functions, boundary_functions, executable_functions, dispatch_functions,
          random_functions, library_functions})
        check(PyModule_AddFunctions(m.ptr(), functions) == 0);

    m.def("register_hook", &register_hook, nb::arg("name"), nb::arg("fn").none(),
          "Sets what the extension calls for \"aval\" (shape, dtype, weak_type), \"flatten\" (object) or \"reduce\" (a "
          "function that is pickled); returns the previous one.");
    m.def("pool_stats", &stats, "Bytes in use and cached by the buffer pool, its limit, hits and misses.");
    m.def("pool_trim", &pool_trim, "Gives cached buffers back to the system; returns how many bytes.");
    m.def("pool_set_limit", &pool_set_limit, nb::arg("bytes"), "Bytes that the buffer pool may keep cached.");
    m.def("get_num_threads", &get_num_threads, "Threads that compiled programs use.");
    m.def("set_num_threads", &set_num_threads, nb::arg("n"),
          "Sets the threads that compiled programs use; 0: as many as the machine and the environment give.");
    m.def("join_siblings", &join_siblings, nb::arg("parent"),
          "Shares the processors with the other processes that `parent` started by the same command; 0: with none.");
    m.def("limit_threads", &limit_threads, nb::arg("n"),
          "Sets the threads that programs use when this thread calls them, 0: no limit; gives the limit before.");
    init_loader(m);
}
