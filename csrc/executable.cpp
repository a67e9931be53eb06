// Executable: calls one compiled program with pointers to its inputs and outputs.
// Begin with run_program; jt_host_call is the way back from native code into Python.
#include <cmath>
#include <new>

#include "callable.h"
#include "executable.h"
#include "jitney.h"
#include "routines.h"

JT_EXPORT int32_t jt_host_call(jt::Ctx* ctx, int64_t index, void** in_ptrs, void** out_ptrs);

namespace jt {

PyTypeObject* ExecutableType = nullptr;

namespace {

// ---- inputs of another type or layout ---------------------------------------------------------

template <class To, class From>
bool cast_to(Leaf* leaf) {
    From v;
    memcpy(&v, leaf->data, sizeof v);
    To t = To(v);
    memcpy(leaf->scalar, &t, sizeof t);
    leaf->data = leaf->scalar;
    return true;
}

// Python scalars in 32-bit mode and weak scalars next to other types: too common to go through NumPy.
bool cast_scalar(Leaf* leaf, int to) {
    switch (leaf->type_num) {
        case NPY_DOUBLE:
            if (to == NPY_FLOAT) return cast_to<float, double>(leaf);
            break;
        case NPY_FLOAT:
            if (to == NPY_DOUBLE) return cast_to<double, float>(leaf);
            break;
        case NPY_INT64:
            if (to == NPY_INT32) return cast_to<int32_t, int64_t>(leaf);
            if (to == NPY_DOUBLE) return cast_to<double, int64_t>(leaf);
            if (to == NPY_FLOAT) return cast_to<float, int64_t>(leaf);
            break;
    }
    return false;
}

JT_NOINLINE bool convert_leaf(Leaf* leaf, int to) {
    if (leaf->ndim == 0 && leaf->ready && cast_scalar(leaf, to)) return true;
    PyArray_Descr* d = descr_of(to);
    if (!d) {
        PyErr_SetString(PyExc_TypeError, "an input of the compiled program has an unsupported dtype");
        return false;
    }
    Ref source;
    if (is_array(leaf->obj))
        source.p = Py_XNewRef(array_view(as_array(leaf->obj)));
    else if (PyArray_Check(leaf->obj))
        source.p = Py_NewRef(leaf->obj);
    else {
        PyArray_Descr* from = descr_of(leaf->type_num);
        Py_INCREF(from);
        source.p = PyArray_NewFromDescr(&PyArray_Type, from, 0, nullptr, nullptr, nullptr, 0, nullptr);
        if (source)
            memcpy(PyArray_DATA(reinterpret_cast<PyArrayObject*>(source.p)), leaf->data,
                   size_t(PyDataType_ELSIZE(from)));
    }
    if (!source) return false;
    Py_INCREF(d);
    PyObject* copy = PyArray_FromArray(reinterpret_cast<PyArrayObject*>(source.p), d,
                                       NPY_ARRAY_CARRAY | NPY_ARRAY_FORCECAST | NPY_ARRAY_NOTSWAPPED);
    if (!copy) return false;
    Py_XSETREF(leaf->temp, copy);
    leaf->data = PyArray_BYTES(reinterpret_cast<PyArrayObject*>(copy));
    return true;
}

PyObject* forwarded(const OutSpec& out, Leaf* leaf, const char* data) {
    if (is_array(leaf->obj)) {
        Array* a = as_array(leaf->obj);
        if (a->type_num == out.descr->type_num && bool(a->weak) == out.weak) return Py_NewRef(leaf->obj);
        if (a->type_num == out.descr->type_num) return array_wrap(leaf->obj, out.weak);
    }
    // what the user may still write to has to be copied
    Array* a = array_new(out.descr, int(out.shape.size()), out.shape.data(), out.weak, false);
    if (a) memcpy(a->data, data, size_t(a->nbytes));
    return reinterpret_cast<PyObject*>(a);
}

void share_aval(OutSpec& out) {
    if (out.aval || !hook_aval) return;
    PyObject* args[] = {out.shape_tuple, reinterpret_cast<PyObject*>(out.descr), out.weak ? Py_True : Py_False};
    PyObject* aval = PyObject_Vectorcall(hook_aval, args, 3, nullptr);
    if (!aval)
        PyErr_Clear();  // asked again, and reported, by x.aval
    else
        Py_XSETREF(out.aval, aval);
}

}  // namespace

int run_program(Program* program, Leaf* leaves, size_t n, PyObject** results) {
    const size_t n_out = program->outs.size(), n_const = program->consts.size();
    if (JT_UNLIKELY(n != program->in_types.size())) {
        PyErr_Format(PyExc_RuntimeError, "the compiled program takes %zu inputs, %zu were given",
                     program->in_types.size(), n);
        return -1;
    }
    Small<void*, 48> pointers;
    if (!pointers.resize(n + n_const + n_out)) return -1;
    void** args = pointers.data();
    void** outs = args + n + n_const;
    for (size_t i = 0; i < n; ++i) {
        Leaf* leaf = &leaves[i];
        if (JT_UNLIKELY(leaf->type_num != program->in_types[i] || !leaf->ready) &&
            !convert_leaf(leaf, program->in_types[i]))
            return -1;
        args[i] = const_cast<char*>(leaf->data);
    }
    for (size_t i = 0; i < n_const; ++i) args[n + i] = program->const_data[i];

    size_t made = 0;
    bool ok = true;
    for (; made < n_out; ++made) {
        OutSpec& out = program->outs[made];
        PyObject* r;
        if (JT_UNLIKELY(out.forward >= 0)) {
            outs[made] = nullptr;
            size_t f = size_t(out.forward);
            if (f < n)
                r = forwarded(out, &leaves[f], static_cast<char*>(args[f]));
            else
                r = array_wrap(program->consts[f - n], out.weak);
        } else {
            // 0-d results stay inline; others get the alignment that vector code may count on
            Array* a = array_new(out.descr, int(out.shape.size()), out.shape.data(), out.weak, !out.shape.empty());
            if (a) {
                a->shape_tuple = Py_NewRef(out.shape_tuple);
                a->aval = Py_XNewRef(out.aval);
                outs[made] = a->data;
            }
            r = reinterpret_cast<PyObject*>(a);
        }
        if (JT_UNLIKELY(!r)) {
            ok = false;
            break;
        }
        results[made] = r;
    }

    if (JT_LIKELY(ok) && program->fn) {
        Ctx ctx{nullptr, program->callables.data(), 0, program, nullptr, nullptr, nullptr};
        alignas(64) char small_scratch[1024];
        bool pooled = program->scratch_bytes > int64_t(sizeof small_scratch);
        ctx.scratch = pooled ? static_cast<char*>(jt_alloc(program->scratch_bytes)) : small_scratch;
        if (JT_UNLIKELY(!ctx.scratch)) {
            PyErr_NoMemory();
            ok = false;
        } else {
            int32_t status;
            if (program->release_gil) {
                PyThreadState* ts = PyEval_SaveThread();
                status = program->fn(args, outs, &ctx);
                PyEval_RestoreThread(ts);
            } else {
                status = program->fn(args, outs, &ctx);
            }
            if (pooled) jt_free(ctx.scratch);
            if (JT_UNLIKELY(status != 0 || ctx.exc_type != nullptr)) {
                ok = false;
                if (ctx.exc_type)
                    PyErr_Restore(ctx.exc_type, ctx.exc_value, ctx.exc_tb);
                else if (!PyErr_Occurred())
                    PyErr_Format(PyExc_RuntimeError, "the compiled program failed with status %d", int(status));
            }
        }
    }
    if (JT_UNLIKELY(!ok)) {
        while (made > 0) Py_DECREF(results[--made]);
        return -1;
    }
    return 0;
}

namespace {

// ---- the Python type --------------------------------------------------------------------------

Executable* as_executable(PyObject* o) { return reinterpret_cast<Executable*>(o); }

void drop_program(Program* p) {
    if (!p) return;
    for (OutSpec& o : p->outs) {
        Py_XDECREF(o.descr);
        Py_XDECREF(o.shape_tuple);
        Py_XDECREF(o.aval);
    }
    for (PyObject* c : p->consts) Py_XDECREF(c);
    for (PyObject* c : p->callables) Py_XDECREF(c);
    Py_XDECREF(p->keepalive);
    delete p;
}

int executable_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    if (Program* p = as_executable(self)->program) {
        for (PyObject* c : p->callables) Py_VISIT(c);
        for (OutSpec& o : p->outs) Py_VISIT(o.aval);
        Py_VISIT(p->keepalive);
    }
    return 0;
}

int executable_clear(PyObject* self) {
    Program* p = as_executable(self)->program;
    as_executable(self)->program = nullptr;
    drop_program(p);
    return 0;
}

void executable_dealloc(PyObject* self) {
    PyObject_GC_UnTrack(self);
    if (as_executable(self)->weakrefs) PyObject_ClearWeakRefs(self);
    executable_clear(self);
    PyTypeObject* t = Py_TYPE(self);
    t->tp_free(self);
    Py_DECREF(t);
}

bool fail(const char* message) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, message);
    return false;
}

// A dtype-like -> borrowed descriptor that lives as long as the process.
PyArray_Descr* native_descr(PyObject* dtype) {
    PyArray_Descr* d = nullptr;
    if (!PyArray_DescrConverter(dtype, &d)) return nullptr;
    int t = canonical_type_num(d);
    Py_DECREF(d);
    PyArray_Descr* native = t < 0 ? nullptr : descr_of(t);
    if (!native) PyErr_Format(PyExc_TypeError, "compiled programs cannot take or return dtype %S", dtype);
    return native;
}

struct ExecutableArgs {
    PyObject *fn_addr, *out_dtypes, *out_shapes, *out_weak, *consts, *in_dtypes, *callables, *keepalive, *out_forward;
    long long scratch_bytes;
    int release_gil;
};

bool fill_outputs(Program* p, const ExecutableArgs& a) {
    Ref dtypes(PySequence_Fast(a.out_dtypes, "out_dtypes must be a sequence"));
    Ref shapes(PySequence_Fast(a.out_shapes, "out_shapes must be a sequence"));
    Ref weak(PySequence_Fast(a.out_weak, "out_weak must be a sequence"));
    if (!dtypes || !shapes || !weak) return false;
    Ref forward;
    if (a.out_forward != Py_None && !(forward.p = PySequence_Fast(a.out_forward, "out_forward must be a sequence")))
        return false;
    Py_ssize_t n = PySequence_Fast_GET_SIZE(dtypes.p);
    if (PySequence_Fast_GET_SIZE(shapes.p) != n || PySequence_Fast_GET_SIZE(weak.p) != n ||
        (forward && PySequence_Fast_GET_SIZE(forward.p) != n))
        return fail("out_dtypes, out_shapes, out_weak and out_forward must have one length");
    Py_ssize_t n_inputs = Py_ssize_t(p->in_types.size() + p->consts.size());
    p->outs.reserve(size_t(n));
    for (Py_ssize_t i = 0; i < n; ++i) {
        OutSpec out{};
        out.descr = native_descr(PySequence_Fast_GET_ITEM(dtypes.p, i));
        if (!out.descr) return false;
        Ref shape(PySequence_Tuple(PySequence_Fast_GET_ITEM(shapes.p, i)));
        if (!shape) return false;
        if (PyTuple_GET_SIZE(shape.p) > NPY_MAXDIMS) return fail("too many dimensions");
        for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(shape.p); ++k) {
            Py_ssize_t d = PyNumber_AsSsize_t(PyTuple_GET_ITEM(shape.p, k), PyExc_OverflowError);
            if (d < 0) return fail("dimensions must be non-negative integers");
            out.shape.push_back(d);
        }
        int w = PyObject_IsTrue(PySequence_Fast_GET_ITEM(weak.p, i));
        if (w < 0) return false;
        out.weak = w;
        out.forward = -1;
        if (forward) {
            Py_ssize_t f = PyNumber_AsSsize_t(PySequence_Fast_GET_ITEM(forward.p, i), PyExc_OverflowError);
            if (f == -1 && PyErr_Occurred()) return false;
            if (f < -1 || f >= n_inputs) return fail("out_forward names an input that does not exist");
            out.forward = int(f);
        }
        Py_INCREF(out.descr);
        out.shape_tuple = shape.release();
        p->outs.push_back(std::move(out));
        share_aval(p->outs.back());
    }
    return true;
}

bool fill_inputs(Program* p, const ExecutableArgs& a) {
    Ref dtypes(PySequence_Fast(a.in_dtypes, "in_dtypes must be a sequence"));
    Ref consts(PySequence_Fast(a.consts, "consts must be a sequence"));
    if (!dtypes || !consts) return false;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(dtypes.p); ++i) {
        PyArray_Descr* d = native_descr(PySequence_Fast_GET_ITEM(dtypes.p, i));
        if (!d) return false;
        p->in_types.push_back(d->type_num);
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(consts.p); ++i) {
        PyObject* item = PySequence_Fast_GET_ITEM(consts.p, i);
        PyObject* c = is_array(item) ? Py_NewRef(item) : array_wrap(item, false);
        if (!c) return false;
        p->consts.push_back(c);
        p->const_data.push_back(as_array(c)->data);
    }
    return true;
}

bool fill_callables(Program* p, PyObject* callables) {
    Ref seq(PySequence_Fast(callables, "callables must be a sequence"));
    if (!seq) return false;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(seq.p); ++i) {
        PyObject* item = PySequence_Fast_GET_ITEM(seq.p, i);
        PyObject* fn = item;
        int n_in = -1, n_out = -1;
        if (PyTuple_Check(item) && !PyArg_ParseTuple(item, "Oii", &fn, &n_in, &n_out)) return false;
        if (!PyCallable_Check(fn)) return fail("callables must hold callables or tuples (callable, n_in, n_out)");
        p->callables.push_back(Py_NewRef(fn));
        p->host_in.push_back(n_in);
        p->host_out.push_back(n_out);
    }
    return true;
}

PyObject* executable_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    static const char* names[] = {"fn_addr",   "out_dtypes",    "out_shapes", "out_weak",    "consts",    "in_dtypes",
                                  "scratch_bytes", "callables", "release_gil", "keepalive", "out_forward", nullptr};
    ExecutableArgs a{};
    a.keepalive = a.out_forward = Py_None;
    Ref empty(PyTuple_New(0));
    if (!empty) return nullptr;
    a.callables = empty.p;
    a.release_gil = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOOO|LOpOO", const_cast<char**>(names), &a.fn_addr, &a.out_dtypes,
                                     &a.out_shapes, &a.out_weak, &a.consts, &a.in_dtypes, &a.scratch_bytes,
                                     &a.callables, &a.release_gil, &a.keepalive, &a.out_forward))
        return nullptr;
    Executable* e = as_executable(type->tp_alloc(type, 0));
    if (!e) return nullptr;
    Ref self(reinterpret_cast<PyObject*>(e));
    Program* p = e->program = new (std::nothrow) Program;
    if (!p) return PyErr_NoMemory();
    void* fn = PyLong_AsVoidPtr(a.fn_addr);
    if (PyErr_Occurred()) return nullptr;
    memcpy(&p->fn, &fn, sizeof fn);
    p->scratch_bytes = a.scratch_bytes;
    p->release_gil = a.release_gil;
    p->keepalive = Py_NewRef(a.keepalive);
    if (!fill_inputs(p, a) || !fill_outputs(p, a) || !fill_callables(p, a.callables)) return nullptr;
    if (!p->fn)
        for (const OutSpec& o : p->outs)
            if (o.forward < 0) {
                PyErr_SetString(PyExc_ValueError, "a program without native code can only forward its inputs");
                return nullptr;
            }
    return self.release();
}

PyObject* executable_execute(PyObject* self, PyObject* inputs) {
    Program* p = as_executable(self)->program;
    if (!p) {
        PyErr_SetString(PyExc_RuntimeError, "this executable has been cleared");
        return nullptr;
    }
    Ref seq(PySequence_Tuple(inputs));
    if (!seq) return nullptr;
    size_t n = size_t(PyTuple_GET_SIZE(seq.p));
    Small<Leaf, 16> leaves;
    if (!leaves.resize(n)) return nullptr;
    Small<PyObject*, 8> results;
    if (!results.resize(p->outs.size())) return nullptr;
    for (size_t i = 0; i < n; ++i) {
        leaves[i].obj = PyTuple_GET_ITEM(seq.p, Py_ssize_t(i));
        leaves[i].temp = nullptr;
        switch (read_leaf(leaves[i].obj, &leaves[i])) {
            case Read::ok: break;
            case Read::unsupported:
                PyErr_Format(PyExc_TypeError, "input %zu of the compiled program is of type %.200s, not an array", i,
                             Py_TYPE(leaves[i].obj)->tp_name);
                return nullptr;
            case Read::error: return nullptr;
        }
    }
    Ref held(Py_NewRef(self));
    int failed = run_program(p, leaves.data(), n, results.data());
    for (Leaf& leaf : leaves) Py_XDECREF(leaf.temp);
    if (failed) return nullptr;
    PyObject* list = PyList_New(Py_ssize_t(results.size()));
    for (size_t i = 0; i < results.size(); ++i) {
        if (list)
            PyList_SET_ITEM(list, Py_ssize_t(i), results[i]);
        else
            Py_DECREF(results[i]);
    }
    return list;
}

PyObject* get_n_inputs(PyObject* self, void*) {
    Program* p = as_executable(self)->program;
    return PyLong_FromSize_t(p ? p->in_types.size() : 0);
}
PyObject* get_n_outputs(PyObject* self, void*) {
    Program* p = as_executable(self)->program;
    return PyLong_FromSize_t(p ? p->outs.size() : 0);
}

PyMemberDef executable_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Executable, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};
PyGetSetDef executable_getset[] = {
    {"n_inputs", get_n_inputs, nullptr, "The number of dynamic inputs.", nullptr},
    {"n_outputs", get_n_outputs, nullptr, "The number of outputs.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef executable_methods[] = {
    {"execute", executable_execute, METH_O,
     "execute($self, inputs, /)\n--\n\nRuns the program on a sequence of concrete values; returns a list of arrays."},
    {nullptr, nullptr, 0, nullptr}};
PyType_Slot executable_slots[] = {
    {Py_tp_doc, const_cast<char*>("A compiled program: a native function and what it takes and returns.")},
    {Py_tp_new, reinterpret_cast<void*>(executable_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(executable_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(executable_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(executable_clear)},
    {Py_tp_members, executable_members},
    {Py_tp_getset, executable_getset},
    {Py_tp_methods, executable_methods},
    {0, nullptr}};
PyType_Spec executable_spec = {"jitney._ext.Executable", sizeof(Executable), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, executable_slots};

// ---- symbols for compiled code ----------------------------------------------------------------

PyObject* symbols(PyObject*, PyObject*) {
    PyObject* d = PyDict_New();
    if (!d) return nullptr;
    bool ok = true;
    auto add = [&](const char* name, auto* fn) {
        Ref v(PyLong_FromVoidPtr(reinterpret_cast<void*>(fn)));
        ok = ok && v && PyDict_SetItemString(d, name, v.p) == 0;
    };
    add("jt_parallel_for", &jt_parallel_for);
    add("jt_parallel", &jt_parallel);
    add("jt_host_call", &jt_host_call);
    add("jt_alloc", &jt_alloc);
    add("jt_free", &jt_free);
    add("jt_sort", &jt_sort);
    add("jt_sort_along", &jt_sort_along);
    add("jt_top_k", &jt_top_k);
    add("jt_true_places", &jt_true_places);
    add("jt_select", &jt_select);
    add("jt_tick", &jt_tick);
    add("jt_fft", &jt_fft);
    add("memcpy", static_cast<void* (*)(void*, const void*, size_t)>(&::memcpy));
    add("memmove", static_cast<void* (*)(void*, const void*, size_t)>(&::memmove));
    add("memset", static_cast<void* (*)(void*, int, size_t)>(&::memset));
#define JT_MATH1(name)                                         \
    add(#name, static_cast<double (*)(double)>(&::name));      \
    add(#name "f", static_cast<float (*)(float)>(&::name##f));
#define JT_MATH2(name)                                              \
    add(#name, static_cast<double (*)(double, double)>(&::name));   \
    add(#name "f", static_cast<float (*)(float, float)>(&::name##f));
    JT_MATH1(exp) JT_MATH1(log) JT_MATH1(sin) JT_MATH1(cos) JT_MATH1(tan) JT_MATH1(asin) JT_MATH1(acos)
    JT_MATH1(atan) JT_MATH1(sinh) JT_MATH1(cosh) JT_MATH1(tanh) JT_MATH1(asinh) JT_MATH1(acosh) JT_MATH1(atanh)
    JT_MATH1(exp2) JT_MATH1(log2) JT_MATH1(log10) JT_MATH1(log1p) JT_MATH1(expm1) JT_MATH1(cbrt) JT_MATH1(erf)
    JT_MATH1(erfc) JT_MATH1(lgamma) JT_MATH1(tgamma) JT_MATH1(round) JT_MATH1(rint) JT_MATH1(sqrt)
    JT_MATH1(floor) JT_MATH1(ceil) JT_MATH1(trunc)
    JT_MATH2(atan2) JT_MATH2(pow) JT_MATH2(fmod) JT_MATH2(hypot) JT_MATH2(remainder) JT_MATH2(nextafter)
#undef JT_MATH1
#undef JT_MATH2
    add("ldexp", static_cast<double (*)(double, int)>(&::ldexp));
    add("ldexpf", static_cast<float (*)(float, int)>(&::ldexpf));
    if (!ok) Py_CLEAR(d);
    return d;
}

PyObject* addresses(void** ptrs, int n) {
    if (n < 0)
        for (n = 0; ptrs[n]; ++n) {}
    PyObject* t = PyTuple_New(n);
    if (!t) return nullptr;
    for (int i = 0; i < n; ++i) {
        PyObject* v = PyLong_FromVoidPtr(ptrs[i]);
        if (!v) {
            Py_DECREF(t);
            return nullptr;
        }
        PyTuple_SET_ITEM(t, i, v);
    }
    return t;
}

}  // namespace

PyMethodDef executable_functions[] = {
    {"symbols", symbols, METH_NOARGS, "symbols()\n--\n\nAddresses of the functions that compiled programs may call."},
    {nullptr, nullptr, 0, nullptr}};

int init_executable(PyObject* module) {
    ExecutableType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&executable_spec));
    if (!ExecutableType) return -1;
    return PyModule_AddObjectRef(module, "Executable", reinterpret_cast<PyObject*>(ExecutableType));
}

}  // namespace jt

int32_t jt_host_call(jt::Ctx* ctx, int64_t index, void** in_ptrs, void** out_ptrs) {
    using namespace jt;
    PyGILState_STATE gil = PyGILState_Ensure();
    // A host call evaluates on concrete values whatever its thread was tracing.
    PyObject* trace = current_trace;
    current_trace = nullptr;
    bool ok = false;
    if (!ctx->exc_type) {  // after a first failure the rest of the program runs on garbage: call nothing more
        Ref ins(addresses(in_ptrs, ctx->program->host_in[size_t(index)]));
        Ref outs(ins ? addresses(out_ptrs, ctx->program->host_out[size_t(index)]) : nullptr);
        if (outs) {
            PyObject* args[] = {ins.p, outs.p};
            Ref r(PyObject_Vectorcall(ctx->callables[index], args, 2, nullptr));
            ok = bool(r);
        }
        if (!ok) PyErr_Fetch(&ctx->exc_type, &ctx->exc_value, &ctx->exc_tb);
    }
    if (!ok) ctx->status = 1;
    PyObject* leftover = current_trace;
    current_trace = trace;
    Py_XDECREF(leftover);
    PyGILState_Release(gil);
    return ok ? 0 : 1;
}
