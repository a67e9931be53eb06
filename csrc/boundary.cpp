// Where user code meets library code: the current trace, clean tracebacks, the user's own frame.
// Begin with Boundary and filter_current_error.
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "callable.h"
#include "jitney.h"

extern "C" PyCodeObject* jt_user_frame(int (*is_internal)(PyCodeObject*), int* lasti);
extern "C" int jt_stores_into(PyObject* value, int (*is_internal)(PyCodeObject*), int store_fast, int store_name,
                              int extended);

namespace jt {

JT_TLS PyObject* current_trace = nullptr;

namespace {

// ---- which frames are ours --------------------------------------------------------------------

enum Owner { user = 0, ours = 1, helper = 2 };  // helper: Python's library, NumPy and others that we call

std::string* g_prefix = new std::string;
std::vector<std::string>* g_helpers = new std::vector<std::string>;
bool g_filter = false;
// Verdict per code object; holds references so that an address is never reused for other code.
std::unordered_map<PyCodeObject*, Owner>* g_verdicts = new std::unordered_map<PyCodeObject*, Owner>;

void forget_verdicts() {
    std::unordered_map<PyCodeObject*, Owner> old;
    old.swap(*g_verdicts);
    for (auto& kv : old) Py_DECREF(kv.first);
}

bool begins_with(std::string_view name, const std::string& prefix) {
    return !prefix.empty() && name.substr(0, prefix.size()) == prefix;
}

Owner owner_of_file(std::string_view name) {
    if (begins_with(name, *g_prefix)) return ours;
    for (const std::string& prefix : *g_helpers)
        if (begins_with(name, prefix)) {
            // packages of the user's lie below Python's own library
            const std::string_view rest = name.substr(prefix.size());
            return begins_with(rest, "site-packages") || begins_with(rest, "dist-packages") ? user : helper;
        }
    return user;
}

Owner owner_of(PyCodeObject* code) {
    auto it = g_verdicts->find(code);
    if (JT_LIKELY(it != g_verdicts->end())) return it->second;
    Owner owner = user;
    Py_ssize_t n;
    const char* name = PyUnicode_AsUTF8AndSize(code->co_filename, &n);
    if (!name)
        PyErr_Clear();
    else
        owner = owner_of_file(std::string_view(name, size_t(n)));
    if (g_verdicts->size() >= 4096) forget_verdicts();  // programs that make code without end
    Py_INCREF(code);
    g_verdicts->emplace(code, owner);
    return owner;
}

int is_internal(PyCodeObject* code) { return owner_of(code) == ours; }
int is_not_the_users(PyCodeObject* code) { return owner_of(code) != user; }

Owner owner_of(PyTracebackObject* at) {
    PyCodeObject* code = PyFrame_GetCode(at->tb_frame);
    const Owner owner = owner_of(code);
    Py_DECREF(code);
    return owner;
}

// The same traceback without our frames and those of helpers that we called; steals and returns a reference.
PyObject* filter_chain(PyObject* tb) {
    bool inside = false;  // of a call of ours
    PyTracebackObject* first = nullptr;
    PyTracebackObject* last = nullptr;
    PyTracebackObject* at = reinterpret_cast<PyTracebackObject*>(tb);
    while (at) {
        const Owner owner = owner_of(at);
        inside = owner == ours || (inside && owner == helper);
        PyTracebackObject* next = at->tb_next;
        if (!inside) {
            if (last) {
                if (last->tb_next != at) {
                    Py_INCREF(at);
                    PyTracebackObject* skipped = last->tb_next;
                    last->tb_next = at;
                    Py_DECREF(reinterpret_cast<PyObject*>(skipped));
                }
            } else {
                first = at;
                Py_INCREF(first);
            }
            last = at;
        }
        at = next;
    }
    if (last && last->tb_next) Py_CLEAR(last->tb_next);
    Py_XDECREF(tb);
    return reinterpret_cast<PyObject*>(first);
}

// Whether an exception was raised and caught by our code: whoever reads its successor does not want to see it.
bool is_private(PyObject* exc) {
    if (!exc) return false;
    Ref tb(PyException_GetTraceback(exc));
    if (!tb.p || !PyTraceBack_Check(tb.p)) return false;
    bool inside = false;
    for (auto* at = reinterpret_cast<PyTracebackObject*>(tb.p); at; at = at->tb_next) {
        const Owner owner = owner_of(at);
        inside = owner == ours || (inside && owner == helper);
        if (!inside) return false;
    }
    return true;
}

// Takes away what our code met on the way to the error that it raises.
void drop_private_context(PyObject* exc) {
    Ref context(PyException_GetContext(exc)), cause(PyException_GetCause(exc));
    if (context.p != cause.p && is_private(context.p)) PyException_SetContext(exc, nullptr);
}

void filter_exception(PyObject* exc, int depth) {
    if (!exc || depth > 16 || !PyExceptionInstance_Check(exc)) return;
    PyObject* tb = PyException_GetTraceback(exc);
    if (tb && !PyTraceBack_Check(tb)) Py_CLEAR(tb);  // an exception filtered before may hold None here
    if (tb) {
        Ref filtered(filter_chain(tb));
        PyException_SetTraceback(exc, filtered ? filtered.p : Py_None);
    }
    drop_private_context(exc);
    Ref cause(PyException_GetCause(exc)), context(PyException_GetContext(exc));
    filter_exception(cause.p, depth + 1);
    if (context.p != cause.p) filter_exception(context.p, depth + 1);
}

}  // namespace

JT_NOINLINE void filter_current_error() {
    if (!g_filter) return;
#if PY_VERSION_HEX >= 0x030C0000
    PyObject* exc = PyErr_GetRaisedException();
    filter_exception(exc, 0);
    PyErr_SetRaisedException(exc);
#else
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    if (tb && !PyTraceBack_Check(tb)) Py_CLEAR(tb);
    if (tb) tb = filter_chain(tb);
    if (value && PyExceptionInstance_Check(value)) {
        PyException_SetTraceback(value, tb ? tb : Py_None);
        drop_private_context(value);
        Ref cause(PyException_GetCause(value)), context(PyException_GetContext(value));
        filter_exception(cause.p, 1);
        if (context.p != cause.p) filter_exception(context.p, 1);
    }
    PyErr_Restore(type, value, tb);
#endif
}

namespace {

// Whether an error was raised below a call from user code, by us.
bool raised_by_us(PyObject* tb) {
    PyFrameObject* caller = PyEval_GetFrame();
    if (!caller || !tb || !PyTraceBack_Check(tb)) return false;
    PyCodeObject* code = PyFrame_GetCode(caller);
    const Owner owner = owner_of(code);
    Py_DECREF(code);
    if (owner == ours) return false;
    for (auto* at = reinterpret_cast<PyTracebackObject*>(tb); at; at = at->tb_next)
        if (owner_of(at) == user) return false;
    return true;
}

// Calls hook "failed" with the callee, the error and the arguments; what it raises is forgotten.
void call_failed(PyObject* callee, PyObject* error, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
    Ref given(PyTuple_New(n)), named(PyDict_New());
    bool ok = given && named;
    for (Py_ssize_t i = 0; ok && i < n; ++i) PyTuple_SET_ITEM(given.p, i, Py_NewRef(args[i]));
    for (Py_ssize_t i = 0, k = kwnames ? PyTuple_GET_SIZE(kwnames) : 0; ok && i < k; ++i)
        ok = PyDict_SetItem(named.p, PyTuple_GET_ITEM(kwnames, i), args[n + i]) == 0;
    Ref done(ok ? PyObject_CallFunctionObjArgs(hook_failed, callee, error, given.p, named.p, nullptr) : nullptr);
    if (!done) PyErr_Clear();
}

}  // namespace

JT_NOINLINE void describe_current_error(PyObject* callee, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
    if (!hook_failed) return;
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    PyErr_NormalizeException(&type, &value, &tb);
    if (value && PyObject_IsInstance(value, PyExc_Exception) == 1 && raised_by_us(tb))
        call_failed(callee, value, args, n, kwnames);
    PyErr_Restore(type, value, tb);
}

// ---- what Boundary and JitFunction share ------------------------------------------------------

int adopt_metadata(PyObject** dict, PyObject* fn) {
    if (!*dict && !(*dict = PyDict_New())) return -1;
    for (const char* name : {"__module__", "__name__", "__qualname__", "__doc__"}) {
        Ref key(PyUnicode_InternFromString(name));
        if (!key) return -1;
        Ref value(PyObject_GetAttr(fn, key.p));
        if (!value) {
            if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return -1;
            PyErr_Clear();
            continue;
        }
        if (PyDict_SetItem(*dict, key.p, value.p) < 0) return -1;
    }
    return PyDict_SetItemString(*dict, "__wrapped__", fn);
}

PyObject* bind_method(PyObject* self, PyObject* obj, PyObject*) {
    return !obj || obj == Py_None ? Py_NewRef(self) : PyMethod_New(self, obj);
}

PyObject* reduce_by_name(PyObject* self, PyObject*) {
    if (hook_reduce) return PyObject_CallOneArg(hook_reduce, self);
    return PyObject_GetAttrString(self, "__qualname__");
}

PyObject* copy_itself(PyObject* self, PyObject*) { return Py_NewRef(self); }

namespace {

// ---- Boundary ---------------------------------------------------------------------------------

struct Boundary {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject* fn;
    PyObject* dict;
    PyObject* weakrefs;
};
Boundary* as_boundary(PyObject* o) { return reinterpret_cast<Boundary*>(o); }

// What Python makes of a call whose arguments were refused, if it knows them (hook "refused"); else null and the same error.
PyObject* second_chance(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    const Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    Ref given(PyTuple_New(n)), named(PyDict_New());
    for (Py_ssize_t i = 0; given && i < n; ++i) PyTuple_SET_ITEM(given.p, i, Py_NewRef(args[i]));
    bool ok = given && named;
    for (Py_ssize_t i = 0, k = kwnames ? PyTuple_GET_SIZE(kwnames) : 0; ok && i < k; ++i)
        ok = PyDict_SetItem(named.p, PyTuple_GET_ITEM(kwnames, i), args[n + i]) == 0;
    PyObject* r = ok ? PyObject_CallFunctionObjArgs(hook_refused, self, given.p, named.p, nullptr) : nullptr;
    if (r == Py_NotImplemented) {
        Py_DECREF(r);
        PyErr_Restore(type, value, trace);
        return nullptr;
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return r;
}

// What Python gives for a result that is one of the arguments (hook "same"). Takes the result, gives a new reference or null.
PyObject* not_the_argument(PyObject* self, PyObject* r, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
    const Py_ssize_t n = PyVectorcall_NARGS(nargsf) + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
    for (Py_ssize_t i = 0; i < n; ++i)
        if (args[i] == r) {
            PyObject* made = PyObject_CallFunctionObjArgs(hook_same, self, r, nullptr);
            Py_DECREF(r);
            return made;
        }
    return r;
}

PyObject* boundary_call(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
    PyObject* fn = Py_NewRef(as_boundary(self)->fn);
    PyObject* r = PyObject_Vectorcall(fn, args, nargsf, kwnames);
    Py_DECREF(fn);
    if (JT_UNLIKELY(hook_same && r)) r = not_the_argument(self, r, args, nargsf, kwnames);
    if (JT_UNLIKELY(!r)) {
        if (hook_refused && PyErr_ExceptionMatches(PyExc_TypeError)) r = second_chance(self, args, nargsf, kwnames);
        if (!r) {
            describe_current_error(self, args, PyVectorcall_NARGS(nargsf), kwnames);
            filter_current_error();
        }
    }
    return r;
}

PyObject* boundary_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    PyObject* fn;
    static const char* names[] = {"fn", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O", const_cast<char**>(names), &fn)) return nullptr;
    if (!PyCallable_Check(fn)) {
        PyErr_Format(PyExc_TypeError, "Boundary needs a callable, not an object of type %.200s", Py_TYPE(fn)->tp_name);
        return nullptr;
    }
    Boundary* b = as_boundary(type->tp_alloc(type, 0));
    if (!b) return nullptr;
    b->vectorcall = boundary_call;
    b->fn = Py_NewRef(fn);
    if (adopt_metadata(&b->dict, fn) < 0) {
        Py_DECREF(reinterpret_cast<PyObject*>(b));
        return nullptr;
    }
    return reinterpret_cast<PyObject*>(b);
}

int boundary_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_boundary(self)->fn);
    Py_VISIT(as_boundary(self)->dict);
    return 0;
}

int boundary_clear(PyObject* self) {
    // fn stays until dealloc would be simplest, but a cycle may run through it; a cleared one calls None
    PyObject* fn = as_boundary(self)->fn;
    as_boundary(self)->fn = Py_NewRef(Py_None);
    Py_XDECREF(fn);
    Py_CLEAR(as_boundary(self)->dict);
    return 0;
}

void boundary_dealloc(PyObject* self) {
    PyObject_GC_UnTrack(self);
    if (as_boundary(self)->weakrefs) PyObject_ClearWeakRefs(self);
    Py_CLEAR(as_boundary(self)->fn);
    Py_CLEAR(as_boundary(self)->dict);
    PyTypeObject* t = Py_TYPE(self);
    t->tp_free(self);
    Py_DECREF(t);
}

PyObject* boundary_repr(PyObject* self) { return PyObject_Repr(as_boundary(self)->fn); }

PyMemberDef boundary_members[] = {
    {"_fn", T_OBJECT, offsetof(Boundary, fn), 0, nullptr},  // may be exchanged: who holds the boundary calls the new one
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Boundary, vectorcall), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(Boundary, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Boundary, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};
PyGetSetDef boundary_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef boundary_methods[] = {{"__reduce__", reduce_by_name, METH_NOARGS, nullptr},
                                  {"__copy__", copy_itself, METH_NOARGS, nullptr},
                                  {"__deepcopy__", copy_itself, METH_O, nullptr},
                                  {nullptr, nullptr, 0, nullptr}};
PyType_Slot boundary_slots[] = {
    {Py_tp_doc, const_cast<char*>("Boundary(fn)\n--\n\nCalls fn; exceptions that leave it carry no frames of ours.")},
    {Py_tp_new, reinterpret_cast<void*>(boundary_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(boundary_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(boundary_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(boundary_clear)},
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_descr_get, reinterpret_cast<void*>(bind_method)},
    {Py_tp_repr, reinterpret_cast<void*>(boundary_repr)},
    {Py_tp_members, boundary_members},
    {Py_tp_getset, boundary_getset},
    {Py_tp_methods, boundary_methods},
    {0, nullptr}};
PyType_Spec boundary_spec = {"jitney._ext.Boundary", sizeof(Boundary), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                                 Py_TPFLAGS_METHOD_DESCRIPTOR,
                             boundary_slots};

// ---- functions --------------------------------------------------------------------------------

PyObject* get_trace(PyObject*, PyObject*) { return Py_NewRef(current_trace ? current_trace : Py_None); }

PyObject* set_trace(PyObject*, PyObject* trace) {
    PyObject* old = current_trace;
    current_trace = trace == Py_None ? nullptr : Py_NewRef(trace);
    return old ? old : Py_NewRef(Py_None);
}

PyObject* set_internal_prefix(PyObject*, PyObject* args) {
    const char* path;
    Py_ssize_t n;
    int enabled = 1;
    if (!PyArg_ParseTuple(args, "s#|p", &path, &n, &enabled)) return nullptr;
    g_prefix->assign(path, size_t(n));
    g_filter = enabled && n > 0;
    forget_verdicts();
    Py_RETURN_NONE;
}

PyObject* set_helper_prefixes(PyObject*, PyObject* paths) {
    Ref listed(PySequence_Tuple(paths));
    if (!listed) return nullptr;
    std::vector<std::string> found;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(listed.p); ++i) {
        Py_ssize_t n;
        const char* path = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(listed.p, i), &n);
        if (!path) return nullptr;
        found.emplace_back(path, size_t(n));
    }
    g_helpers->swap(found);
    forget_verdicts();
    Py_RETURN_NONE;
}

PyObject* filter_traceback(PyObject*, PyObject* exc) {
    if (g_filter) filter_exception(exc, 0);
    return Py_NewRef(exc);
}

PyObject* user_frame(PyObject*, PyObject*) {
    int lasti = 0;
    PyCodeObject* code = jt_user_frame(is_not_the_users, &lasti);
    if (!code) Py_RETURN_NONE;
    PyObject* number = PyLong_FromLong(lasti);
    PyObject* pair = number ? PyTuple_New(2) : nullptr;
    if (!pair) {
        Py_XDECREF(number);
        return nullptr;
    }
    PyTuple_SET_ITEM(pair, 0, Py_NewRef(reinterpret_cast<PyObject*>(code)));
    PyTuple_SET_ITEM(pair, 1, number);
    return pair;
}

// replaced(x, references, store_fast, store_name, extended): the memory of the array `x` as a writeable ndarray, if nobody can notice
// that it is written to: the user's code is about to assign to the one variable that holds `x` (`references` in all,
// those of our own frames among them), and nothing shares the memory. Else None.
PyObject* replaced(PyObject*, PyObject* const* args, Py_ssize_t n) {
    if (n != 5 || !is_array(args[0])) return PyErr_SetString(PyExc_TypeError, "replaced takes an array and 4 numbers"), nullptr;
    const long references = PyLong_AsLong(args[1]), fast = PyLong_AsLong(args[2]), name = PyLong_AsLong(args[3]),
               extended = PyLong_AsLong(args[4]);
    if (PyErr_Occurred()) return nullptr;
    if (Py_REFCNT(args[0]) != references || !jt_stores_into(args[0], is_not_the_users, int(fast), int(name), int(extended)))
        Py_RETURN_NONE;
    PyObject* memory = array_own_memory(as_array(args[0]));
    if (!memory && !PyErr_Occurred()) Py_RETURN_NONE;
    return memory;
}

// references(x): how many there are, one of the call's own not counted.
PyObject* references(PyObject*, PyObject* x) { return PyLong_FromSsize_t(Py_REFCNT(x)); }

}  // namespace

PyMethodDef boundary_functions[] = {
    {"current_trace", get_trace, METH_NOARGS, "current_trace()\n--\n\nThis thread's trace; None means eager."},
    {"set_trace", set_trace, METH_O, "set_trace(trace)\n--\n\nSets this thread's trace; returns the previous one."},
    {"set_internal_prefix", set_internal_prefix, METH_VARARGS,
     "set_internal_prefix(path, enabled=True)\n--\n\nFrames of files below path are ours; enabled hides them."},
    {"set_helper_prefixes", set_helper_prefixes, METH_O,
     "set_helper_prefixes(paths)\n--\n\nFrames of files below these paths are hidden where our code called them."},
    {"filter_traceback", filter_traceback, METH_O, "filter_traceback(exc)\n--\n\nTakes our frames out of exc."},
    {"user_frame", user_frame, METH_NOARGS,
     "user_frame()\n--\n\n(code, lasti) of the nearest frame outside the package, or None."},
    {"replaced", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(replaced)), METH_FASTCALL,
     "replaced($module, x, references, store_fast, store_name, extended, /)\n--\n\nThe memory of x, writeable, if user code is about to "
     "replace its only reference; else None."},
    {"references", references, METH_O, "references($module, x, /)\n--\n\nThe number of references to x."},
    {nullptr, nullptr, 0, nullptr}};

int init_boundary(PyObject* module) {
    Ref type(PyType_FromSpec(&boundary_spec));
    return type ? PyModule_AddObjectRef(module, "Boundary", type.p) : -1;
}

}  // namespace jt
