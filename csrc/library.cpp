// Fills the tables of BLAS and LAPACK pointers, says where the routines that use them are, and limits the threads of
// BLAS. Begin with set_library.
#include "library.h"

#include <algorithm>
#include <mutex>
#include <string>

#if !defined(_WIN32)
#include <pthread.h>
#endif

#include "factorisations.h"

namespace jt {
namespace {

using SetThreads = void (*)(int);
using GetThreads = int (*)();
SetThreads set_blas_threads = nullptr;
GetThreads get_blas_threads = nullptr;
std::mutex* limit_lock = new std::mutex;  // never destroyed: threads may outlive the module
int alone = 0, limit = 0;  // how many want BLAS with one thread; the most threads that the user allows, 0: any number
int own = 0;               // the number that BLAS has without us, known while we change it

// The number that holds now; under limit_lock.
void set_threads() {
    if (!set_blas_threads || !get_blas_threads) return;
    if (alone > 0 || limit > 0) {
        if (own == 0) own = get_blas_threads();
        const int most = alone > 0 ? 1 : limit;
        set_blas_threads(most < own ? most : own);
    } else if (own > 0) {
        set_blas_threads(own);
        own = 0;
    }
}

void limit_blas(int n) {
    std::lock_guard<std::mutex> lock(*limit_lock);
    limit = n;
    set_threads();
}

// "dpotrf" -> where the pointer to it belongs; null for a routine that nobody calls.
template <class T>
void* slot(const std::string& name) {
    Library<T>& l = library<T>;
#define JT_SLOT(field) \
    if (name == #field) return &l.field;
    JT_SLOT(gemm) JT_SLOT(gemv) JT_SLOT(syrk) JT_SLOT(trsm) JT_SLOT(trsv) JT_SLOT(potrf) JT_SLOT(getrf) JT_SLOT(geqrf)
    JT_SLOT(gelqf) JT_SLOT(orgqr) JT_SLOT(orglq) JT_SLOT(syevd) JT_SLOT(gesdd) JT_SLOT(geev)
    JT_SLOT(gehrd) JT_SLOT(sytrd) JT_SLOT(trsyl) JT_SLOT(gees) JT_SLOT(geqp3)
#undef JT_SLOT
    if (name == "ungqr") return &l.orgqr;
    if (name == "unglq") return &l.orglq;
    if (name == "heevd") return &l.syevd;
    if (name == "hetrd") return &l.sytrd;
    return nullptr;
}

void* slot_of(const std::string& name) {
    const std::string rest = name.substr(1);
    switch (name[0]) {
        case 's': return slot<float>(rest);
        case 'd': return slot<double>(rest);
        case 'c': return slot<c64>(rest);
        case 'z': return slot<c128>(rest);
    }
    return nullptr;
}

#if !defined(_WIN32)
// No other thread lives in a forked child.
void forget_limits() {
    limit_lock = new std::mutex;
    alone = 0;
    set_threads();
}
#endif

PyObject* set_library(PyObject*, PyObject* given) {
#if !defined(_WIN32)
    static const int registered = pthread_atfork(nullptr, nullptr, forget_limits);
    (void)registered;
#endif
    if (!PyDict_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "set_library takes a dict of names and addresses");
        return nullptr;
    }
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(given, &at, &key, &value)) {
        const char* name = PyUnicode_AsUTF8(key);
        void* address = name ? PyLong_AsVoidPtr(value) : nullptr;
        if (PyErr_Occurred()) return nullptr;
        if (!strcmp(name, "set_num_threads"))
            memcpy(&set_blas_threads, &address, sizeof address);
        else if (!strcmp(name, "get_num_threads"))
            memcpy(&get_blas_threads, &address, sizeof address);
        else if (void* where = strlen(name) > 1 ? slot_of(name) : nullptr)
            memcpy(where, &address, sizeof address);
        else
            return PyErr_Format(PyExc_ValueError, "no routine calls %s", name);
    }
    std::lock_guard<std::mutex> lock(*limit_lock);
    set_threads();
    Py_RETURN_NONE;
}

PyObject* limit_library(PyObject*, PyObject* n) {
    const long threads = PyLong_AsLong(n);
    if (threads == -1 && PyErr_Occurred()) return nullptr;
    limit_blas(threads > 0 ? int(std::min<long>(threads, 1 << 20)) : 0);
    Py_RETURN_NONE;
}

PyObject* library_symbols(PyObject*, PyObject*) {
    PyObject* d = PyDict_New();
    if (!d) return nullptr;
    for (const RoutineEntry* table : {factorisations(), condensed_forms(), products(), convolutions()})
        for (const RoutineEntry* e = table; e->name; ++e) {
            Ref v(PyLong_FromVoidPtr(reinterpret_cast<void*>(e->fn)));
            if (!v || PyDict_SetItemString(d, e->name, v.p) != 0) {
                Py_DECREF(d);
                return nullptr;
            }
        }
    return d;
}

}  // namespace

// Several of these may live at once, in any threads.
OneThread::OneThread(bool on) : on_(on && set_blas_threads && get_blas_threads) {
    if (!on_) return;
    std::lock_guard<std::mutex> lock(*limit_lock);
    if (alone++ == 0) set_threads();
}

OneThread::~OneThread() {
    if (!on_) return;
    std::lock_guard<std::mutex> lock(*limit_lock);
    if (--alone == 0) set_threads();
}

PyMethodDef library_functions[] = {
    {"set_library", set_library, METH_O,
     "set_library(addresses, /)\n--\n\nGives the addresses of BLAS and LAPACK routines by name, as \"dpotrf\", to the "
     "routines of library_symbols()."},
    {"limit_library", limit_library, METH_O,
     "limit_library(n, /)\n--\n\nThe most threads that the BLAS of set_library may use; 0: as many as it has."},
    {"library_symbols", library_symbols, METH_NOARGS,
     "library_symbols()\n--\n\nAddresses of the routines that call BLAS or LAPACK; set_library comes first."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace jt
