// ArrayImpl, the immutable concrete array: storage, NumPy protocols, Python protocols.
// Begin with array_new and array_wrap; the Array struct is explained in jitney.h. Operators are in operators.cpp.
#include <cstdlib>
#include <string>

#include "jitney.h"

#include <structmember.h>

namespace jt {

PyTypeObject* ArrayType = nullptr;

namespace {

PyTypeObject* StorageType = nullptr;
PyTypeObject* IterType = nullptr;

// ---- dtypes -----------------------------------------------------------------------------------

PyArray_Descr* g_descr[NPY_NTYPES_LEGACY];  // native descriptors of the built-in numeric types, else null

void fill_descrs() {
    for (int t : {int(NPY_BOOL), int(NPY_INT8), int(NPY_UINT8), int(NPY_INT16), int(NPY_UINT16), int(NPY_INT32),
                  int(NPY_UINT32), int(NPY_INT64), int(NPY_UINT64), int(NPY_HALF), int(NPY_FLOAT), int(NPY_DOUBLE),
                  int(NPY_CFLOAT), int(NPY_CDOUBLE)})
        g_descr[t] = PyArray_DescrFromType(t);
}

// ---- Storage: a pool buffer with a Python reference count --------------------------------------

struct Storage {
    PyObject_HEAD
    void* ptr;
};

void storage_dealloc(PyObject* self) {
    jt_free(reinterpret_cast<Storage*>(self)->ptr);
    PyTypeObject* t = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(t);
}

PyType_Slot storage_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(storage_dealloc)}, {0, nullptr}};
PyType_Spec storage_spec = {"jitney._ext.Storage", sizeof(Storage), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, storage_slots};

// Makes the memory of `a` shareable. True on success; inline data has no owner to share.
bool ensure_owner(Array* a) {
    if (a->owner) return true;
    Storage* s = PyObject_New(Storage, StorageType);
    if (!s) return false;
    s->ptr = a->raw;
    a->raw = nullptr;
    a->owner = reinterpret_cast<PyObject*>(s);
    return true;
}

bool is_inline(const Array* a) { return a->data == a->inline_data; }

}  // namespace

PyArray_Descr* descr_of(int t) {
    if (t >= 0 && t < NPY_NTYPES_LEGACY) return g_descr[t];
    if (t < NPY_USERDEF) return nullptr;
    PyArray_Descr* d = PyArray_DescrFromType(t);  // registered types are never freed
    if (!d) {
        PyErr_Clear();
        return nullptr;
    }
    Py_DECREF(d);
    return d;
}

int canonical_type_num(const PyArray_Descr* d) {
    int t = d->type_num;
    if (JT_LIKELY(t >= 0 && t < NPY_NTYPES_LEGACY)) {
        if (JT_LIKELY(g_descr[t] != nullptr)) return t;
        // long and long long may be one type under two numbers, and so may int and long
        if (PyTypeNum_ISINTEGER(t)) {
            bool is_unsigned = PyTypeNum_ISUNSIGNED(t);
            switch (PyDataType_ELSIZE(d)) {
                case 4: return is_unsigned ? NPY_UINT32 : NPY_INT32;
                case 8: return is_unsigned ? NPY_UINT64 : NPY_INT64;
            }
        }
        return -1;
    }
    // ml_dtypes: registered by number, fixed size, no references inside
    if (t >= NPY_USERDEF && t < 2000 && PyDataType_ELSIZE(d) > 0 && PyDataType_ELSIZE(d) <= 16 &&
        !(PyDataType_FLAGS(d) & NPY_ITEM_REFCOUNT))
        return t;
    return -1;
}

// ---- construction -----------------------------------------------------------------------------

Array* array_new_header(PyArray_Descr* descr, int ndim, const npy_intp* shape, bool weak) {
    Array* a = PyObject_New(Array, ArrayType);
    if (JT_UNLIKELY(!a)) return nullptr;
    a->descr = descr;
    Py_INCREF(descr);
    a->type_num = descr->type_num;
    a->ndim = int16_t(ndim);
    a->weak = weak;
    a->raw = a->owner = a->view = a->aval = a->shape_tuple = a->weakrefs = nullptr;
    a->data = nullptr;
    a->shape = a->inline_shape;
    npy_intp size = 1;
    if (JT_UNLIKELY(ndim > kInlineDims)) {
        a->shape = static_cast<npy_intp*>(PyMem_Malloc(size_t(ndim) * sizeof(npy_intp)));
        if (!a->shape) {
            a->shape = a->inline_shape;
            Py_DECREF(reinterpret_cast<PyObject*>(a));
            PyErr_NoMemory();
            return nullptr;
        }
    }
    for (int i = 0; i < ndim; ++i) {
        a->shape[i] = shape[i];
        size *= shape[i];
    }
    a->size = size;
    a->nbytes = size * PyDataType_ELSIZE(descr);
    return a;
}

Array* array_new(PyArray_Descr* descr, int ndim, const npy_intp* shape, bool weak, bool pooled) {
    Array* a = array_new_header(descr, ndim, shape, weak);
    if (JT_UNLIKELY(!a)) return nullptr;
    if (a->nbytes <= kInlineBytes && !pooled) {
        a->data = a->inline_data;
    } else {
        a->raw = jt_alloc(a->nbytes);
        if (JT_UNLIKELY(!a->raw)) {
            PyErr_Format(PyExc_MemoryError, "cannot allocate an array of %zd bytes", Py_ssize_t(a->nbytes));
            Py_DECREF(reinterpret_cast<PyObject*>(a));
            return nullptr;
        }
        a->data = static_cast<char*>(a->raw);
    }
    return a;
}

namespace {

void array_dealloc(PyObject* self) {
    Array* a = as_array(self);
    if (JT_UNLIKELY(a->weakrefs != nullptr)) PyObject_ClearWeakRefs(self);
    if (a->raw) jt_free(a->raw);
    Py_XDECREF(a->view);
    Py_XDECREF(a->owner);
    Py_XDECREF(a->aval);
    Py_XDECREF(a->shape_tuple);
    if (JT_UNLIKELY(a->shape != a->inline_shape)) PyMem_Free(a->shape);
    Py_DECREF(a->descr);
    PyTypeObject* t = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(t);
}

PyObject* unsupported_dtype(PyObject* descr) {
    PyErr_Format(PyExc_TypeError,
                 "dtype %S is not a valid jitney array type: only bool, integer, floating and complex dtypes "
                 "are supported",
                 descr);
    return nullptr;
}

PyObject* wrap_scalar(PyObject* obj, bool weak) {
    Leaf leaf;
    switch (read_leaf(obj, &leaf)) {
        case Read::error: return nullptr;
        case Read::unsupported:
            if (PyArray_IsScalar(obj, Generic)) {
                Ref d(reinterpret_cast<PyObject*>(PyArray_DescrFromScalar(obj)));
                return d ? unsupported_dtype(d.p) : nullptr;
            }
            PyErr_Format(PyExc_TypeError, "cannot make an array of an object of type %.200s", Py_TYPE(obj)->tp_name);
            return nullptr;
        case Read::ok: break;
    }
    PyArray_Descr* d = descr_of(leaf.type_num);
    Array* a = array_new(d, 0, nullptr, weak, false);
    if (a) memcpy(a->data, leaf.data, size_t(PyDataType_ELSIZE(d)));
    return reinterpret_cast<PyObject*>(a);
}

}  // namespace

PyObject* array_wrap(PyObject* obj, bool weak) {
    if (is_array(obj)) {
        Array* src = as_array(obj);
        if (bool(src->weak) == weak) return Py_NewRef(obj);
        // same bytes under another type
        Array* a = array_new_header(src->descr, src->ndim, src->shape, weak);
        if (!a) return nullptr;
        if (is_inline(src)) {
            memcpy(a->inline_data, src->inline_data, kInlineBytes);
            a->data = a->inline_data;
        } else {
            if (!ensure_owner(src)) {
                Py_DECREF(reinterpret_cast<PyObject*>(a));
                return nullptr;
            }
            a->owner = Py_NewRef(src->owner);
            a->data = src->data;
        }
        return reinterpret_cast<PyObject*>(a);
    }
    if (!PyArray_Check(obj)) return wrap_scalar(obj, weak);

    PyArrayObject* arr = reinterpret_cast<PyArrayObject*>(obj);
    int t = canonical_type_num(PyArray_DESCR(arr));
    if (t < 0) return unsupported_dtype(reinterpret_cast<PyObject*>(PyArray_DESCR(arr)));
    PyArray_Descr* d = descr_of(t);
    constexpr int need = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED;
    Array* a = array_new_header(d, PyArray_NDIM(arr), PyArray_DIMS(arr), weak);
    if (!a) return nullptr;
    if (JT_LIKELY((PyArray_FLAGS(arr) & need) == need && PyArray_ISNOTSWAPPED(arr))) {
        a->data = PyArray_BYTES(arr);
        a->owner = Py_NewRef(obj);
        // An array that nobody else can name serves as our read-only view; so does one that is read-only.
        if (PyArray_CheckExact(obj) && PyArray_DESCR(arr) == d) {
            bool ours = Py_REFCNT(obj) == 2 && PyArray_BASE(arr) == nullptr;
            if (ours) PyArray_CLEARFLAGS(arr, NPY_ARRAY_WRITEABLE);
            if (!PyArray_ISWRITEABLE(arr)) a->view = Py_NewRef(obj);
        }
        return reinterpret_cast<PyObject*>(a);
    }
    Py_INCREF(d);
    PyObject* copy = PyArray_FromArray(arr, d, NPY_ARRAY_CARRAY | NPY_ARRAY_ENSUREARRAY);
    if (!copy) {
        Py_DECREF(reinterpret_cast<PyObject*>(a));
        return nullptr;
    }
    a->owner = copy;
    a->data = PyArray_BYTES(reinterpret_cast<PyArrayObject*>(copy));
    return reinterpret_cast<PyObject*>(a);
}

// ---- reading leaves ---------------------------------------------------------------------------

namespace {

template <class T>
void put(Leaf* leaf, T value) {
    memcpy(leaf->scalar, &value, sizeof(T));
    leaf->data = leaf->scalar;
}

Read int_overflow(PyObject* obj) {
    PyErr_Format(PyExc_OverflowError, "the Python int %R does not fit into %s", obj, x64 ? "int64" : "int32");
    return Read::error;
}

Read read_numpy_scalar(PyObject* obj, Leaf* leaf) {
    PyTypeObject* t = Py_TYPE(obj);
    leaf->weak = 0;
    if (t == &PyDoubleArrType_Type) {
        leaf->data = reinterpret_cast<char*>(&reinterpret_cast<PyDoubleScalarObject*>(obj)->obval);
        leaf->type_num = NPY_DOUBLE;
        return Read::ok;
    }
    Ref holder(reinterpret_cast<PyObject*>(PyArray_DescrFromScalar(obj)));
    if (!holder) {
        PyErr_Clear();
        return Read::unsupported;
    }
    PyArray_Descr* d = reinterpret_cast<PyArray_Descr*>(holder.p);
    int num = canonical_type_num(d);
    if (num < 0 || PyDataType_ELSIZE(d) > npy_intp(sizeof leaf->scalar)) return Read::unsupported;
    if (num < NPY_USERDEF) {
        PyArray_ScalarAsCtype(obj, leaf->scalar);
    } else {  // only the type itself knows where its scalars keep their value
        Ref zero_d(PyArray_FromScalar(obj, nullptr));
        if (!zero_d) return Read::error;
        memcpy(leaf->scalar, PyArray_DATA(reinterpret_cast<PyArrayObject*>(zero_d.p)), size_t(PyDataType_ELSIZE(d)));
    }
    leaf->data = leaf->scalar;
    leaf->type_num = num;
    return Read::ok;
}

}  // namespace

Read read_leaf(PyObject* obj, Leaf* leaf) {
    PyTypeObject* t = Py_TYPE(obj);
    if (JT_LIKELY(t == ArrayType)) {
        Array* a = as_array(obj);
        leaf->data = a->data;
        leaf->shape = a->shape;
        leaf->type_num = a->type_num;
        leaf->ndim = a->ndim;
        leaf->weak = a->weak;
        leaf->ready = 1;
        return Read::ok;
    }
    if (t == &PyArray_Type) {
        PyArrayObject* arr = reinterpret_cast<PyArrayObject*>(obj);
        int num = canonical_type_num(PyArray_DESCR(arr));
        if (JT_UNLIKELY(num < 0)) return Read::unsupported;
        constexpr int need = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED;
        leaf->data = PyArray_BYTES(arr);
        leaf->shape = PyArray_DIMS(arr);
        leaf->type_num = num;
        leaf->ndim = int16_t(PyArray_NDIM(arr));
        leaf->weak = 0;
        leaf->ready = (PyArray_FLAGS(arr) & need) == need && PyArray_ISNOTSWAPPED(arr);
        return Read::ok;
    }
    leaf->shape = nullptr;
    leaf->ndim = 0;
    leaf->ready = 1;
    leaf->weak = 1;
    if (t == &PyFloat_Type) {
        put(leaf, PyFloat_AS_DOUBLE(obj));
        leaf->type_num = NPY_DOUBLE;
        return Read::ok;
    }
    if (t == &PyLong_Type) {
        int overflow;
        long long v = PyLong_AsLongLongAndOverflow(obj, &overflow);
        if (overflow || (!x64 && (v < INT32_MIN || v > INT32_MAX))) return int_overflow(obj);
        put(leaf, int64_t(v));
        leaf->type_num = NPY_INT64;
        return Read::ok;
    }
    if (t == &PyBool_Type) {
        // JAX's rule: a Python bool is a bool of no weakness, as nothing lies below it in the lattice.
        leaf->weak = 0;
        put(leaf, npy_bool(obj == Py_True));
        leaf->type_num = NPY_BOOL;
        return Read::ok;
    }
    if (t == &PyComplex_Type) {
        Py_complex c = PyComplex_AsCComplex(obj);
        put(leaf, c);
        leaf->type_num = NPY_CDOUBLE;
        return Read::ok;
    }
    if (PyArray_IsScalar(obj, Generic)) return read_numpy_scalar(obj, leaf);
    return Read::unsupported;
}

// ---- attributes -------------------------------------------------------------------------------

PyObject* array_view(Array* a) {
    if (JT_LIKELY(a->view != nullptr)) return a->view;
    PyObject* v;
    Py_INCREF(a->descr);
    if (is_inline(a)) {
        // a copy, as nothing but `a` itself could keep inline bytes alive and that would be a cycle
        v = PyArray_NewFromDescr(&PyArray_Type, a->descr, a->ndim, a->shape, nullptr, nullptr, 0, nullptr);
        if (!v) return nullptr;
        memcpy(PyArray_DATA(reinterpret_cast<PyArrayObject*>(v)), a->data, size_t(a->nbytes));
        PyArray_CLEARFLAGS(reinterpret_cast<PyArrayObject*>(v), NPY_ARRAY_WRITEABLE);
    } else {
        v = PyArray_NewFromDescr(&PyArray_Type, a->descr, a->ndim, a->shape, nullptr, a->data,
                                 NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED, nullptr);
        if (!v) return nullptr;
        if (!ensure_owner(a) ||
            PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(v), Py_NewRef(a->owner)) < 0) {
            Py_DECREF(v);
            return nullptr;
        }
    }
    return a->view = v;
}

PyObject* array_own_memory(Array* a) {
    const bool adopted = a->view && a->view == a->owner;
    if (is_inline(a) || a->weakrefs || (a->view && Py_REFCNT(a->view) != (adopted ? 2 : 1))) return nullptr;
    if (a->owner) {
        // the cached view and nothing else knows the owner, which is a buffer of the pool or an array with memory of its own
        if (Py_REFCNT(a->owner) != (a->view ? 2 : 1)) return nullptr;
        const bool pooled = Py_TYPE(a->owner) == StorageType;
        if (!pooled && !(PyArray_CheckExact(a->owner) &&
                         (PyArray_FLAGS(reinterpret_cast<PyArrayObject*>(a->owner)) & NPY_ARRAY_OWNDATA)))
            return nullptr;
    } else if (!a->raw) {
        return nullptr;
    }
    Py_INCREF(a->descr);
    PyObject* v = PyArray_NewFromDescr(&PyArray_Type, a->descr, a->ndim, a->shape, nullptr, a->data,
                                       NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED | NPY_ARRAY_WRITEABLE, nullptr);
    if (!v) return nullptr;
    if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(v), Py_NewRef(reinterpret_cast<PyObject*>(a))) < 0) {
        Py_DECREF(v);
        return nullptr;
    }
    return v;
}

PyObject* array_shape(Array* a) {
    if (JT_LIKELY(a->shape_tuple != nullptr)) return a->shape_tuple;
    PyObject* t = PyTuple_New(a->ndim);
    if (!t) return nullptr;
    for (int i = 0; i < a->ndim; ++i) {
        PyObject* d = PyLong_FromSsize_t(a->shape[i]);
        if (!d) {
            Py_DECREF(t);
            return nullptr;
        }
        PyTuple_SET_ITEM(t, i, d);
    }
    return a->shape_tuple = t;
}

namespace {

PyObject* get_np(PyObject* self, void*) { return Py_XNewRef(array_view(as_array(self))); }
PyObject* get_dtype(PyObject* self, void*) { return Py_NewRef(reinterpret_cast<PyObject*>(as_array(self)->descr)); }
PyObject* get_shape(PyObject* self, void*) { return Py_XNewRef(array_shape(as_array(self))); }
PyObject* get_ndim(PyObject* self, void*) { return PyLong_FromLong(as_array(self)->ndim); }
PyObject* get_size(PyObject* self, void*) { return PyLong_FromSsize_t(as_array(self)->size); }
PyObject* get_nbytes(PyObject* self, void*) { return PyLong_FromSsize_t(as_array(self)->nbytes); }
PyObject* get_itemsize(PyObject* self, void*) {
    return PyLong_FromSsize_t(Py_ssize_t(PyDataType_ELSIZE(as_array(self)->descr)));
}
PyObject* get_weak(PyObject* self, void*) { return PyBool_FromLong(as_array(self)->weak); }

PyObject* get_aval(PyObject* self, void*) {
    Array* a = as_array(self);
    if (!a->aval) {
        if (!hook_aval) {
            PyErr_SetString(PyExc_RuntimeError, "no \"aval\" hook is registered");
            return nullptr;
        }
        PyObject* shape = array_shape(a);
        if (!shape) return nullptr;
        PyObject* args[] = {shape, reinterpret_cast<PyObject*>(a->descr), a->weak ? Py_True : Py_False};
        PyObject* r = PyObject_Vectorcall(hook_aval, args, 3, nullptr);
        if (!r) return nullptr;
        Py_XSETREF(a->aval, r);
    }
    return Py_NewRef(a->aval);
}

PyGetSetDef array_getset[] = {
    {"_np", get_np, nullptr, "The contents as a read-only ndarray, without a copy.", nullptr},
    {"dtype", get_dtype, nullptr, "The numpy.dtype of the elements.", nullptr},
    {"shape", get_shape, nullptr, "The lengths of the axes, a tuple of ints.", nullptr},
    {"ndim", get_ndim, nullptr, "The number of axes.", nullptr},
    {"size", get_size, nullptr, "The number of elements.", nullptr},
    {"nbytes", get_nbytes, nullptr, "The bytes that the elements take.", nullptr},
    {"itemsize", get_itemsize, nullptr, "The bytes of one element.", nullptr},
    {"weak_type", get_weak, nullptr, "Whether the dtype gives way to that of other operands.", nullptr},
    {"aval", get_aval, nullptr, "The abstract value: shape, dtype and weak type.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

// ---- conversion to Python scalars -------------------------------------------------------------

// The element of an array of one element, as a Python scalar.
PyObject* first_item(Array* a) {
    switch (a->type_num) {
        case NPY_DOUBLE: {
            double v;
            memcpy(&v, a->data, sizeof v);
            return PyFloat_FromDouble(v);
        }
        case NPY_FLOAT: {
            float v;
            memcpy(&v, a->data, sizeof v);
            return PyFloat_FromDouble(v);
        }
        case NPY_INT64: {
            int64_t v;
            memcpy(&v, a->data, sizeof v);
            return PyLong_FromLongLong(v);
        }
        case NPY_INT32: {
            int32_t v;
            memcpy(&v, a->data, sizeof v);
            return PyLong_FromLong(v);
        }
        case NPY_BOOL: return PyBool_FromLong(*a->data);
    }
    PyObject* v = array_view(a);
    return v ? PyObject_CallMethod(v, "item", nullptr) : nullptr;
}

bool need_scalar(Array* a) {
    if (JT_LIKELY(a->ndim == 0)) return true;
    PyErr_Format(PyExc_TypeError, "Only scalar arrays can be converted to Python scalars; got arr.ndim=%d",
                 int(a->ndim));
    return false;
}

int array_bool(PyObject* self) {
    Array* a = as_array(self);
    if (JT_UNLIKELY(a->size != 1)) {
        PyErr_SetString(PyExc_ValueError,
                        a->size == 0 ? "The truth value of an empty array is ambiguous. Use `array.size > 0` to check "
                                       "that an array is not empty."
                                     : "The truth value of an array with more than one element is ambiguous. Use "
                                       "a.any() or a.all()");
        return -1;
    }
    if (a->type_num == NPY_BOOL) return *a->data != 0;
    Ref item(first_item(a));
    return item ? PyObject_IsTrue(item.p) : -1;
}

template <PyObject* (*convert)(PyObject*)>
PyObject* array_as_number(PyObject* self) {
    Array* a = as_array(self);
    if (!need_scalar(a)) return nullptr;
    Ref item(first_item(a));
    return item ? convert(item.p) : nullptr;
}
// int() and float() of a complex number are errors, as of Python's own.
bool refuses_complex(PyObject* self, const char* what) {
    const int type = as_array(self)->type_num;
    if (JT_LIKELY(type != NPY_CDOUBLE && type != NPY_CFLOAT)) return false;
    PyErr_Format(PyExc_TypeError, "%s() argument must be a real number, not a complex array; take x.real first", what);
    return true;
}
PyObject* array_int(PyObject* self) {
    return refuses_complex(self, "int") ? nullptr : array_as_number<PyNumber_Long>(self);
}
PyObject* array_float(PyObject* self) {
    return refuses_complex(self, "float") ? nullptr : array_as_number<PyNumber_Float>(self);
}

PyObject* array_complex(PyObject* self, PyObject*) {
    Array* a = as_array(self);
    if (!need_scalar(a)) return nullptr;
    Ref item(first_item(a));
    return item ? PyObject_CallOneArg(reinterpret_cast<PyObject*>(&PyComplex_Type), item.p) : nullptr;
}

PyObject* array_index(PyObject* self) {
    Array* a = as_array(self);
    Ref item;
    if (a->ndim == 0 && a->type_num != NPY_BOOL) {
        item.p = first_item(a);
        if (!item) return nullptr;
        if (a->type_num >= NPY_USERDEF) {  // small integers of ml_dtypes come as scalars of their own
            Py_SETREF(item.p, PyNumber_Index(item.p));
            if (!item) PyErr_Clear();
        }
    }
    if (!item || !PyLong_CheckExact(item.p)) {
        PyErr_SetString(PyExc_TypeError, "Only integer scalar arrays can be converted to a scalar index.");
        return nullptr;
    }
    return item.release();
}

// Calls a method of the NumPy view.
PyObject* on_view(PyObject* self, const char* name, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
    PyObject* v = array_view(as_array(self));
    if (!v) return nullptr;
    Ref method(PyObject_GetAttrString(v, name));
    return method ? PyObject_Vectorcall(method.p, args, size_t(n), kwnames) : nullptr;
}

PyObject* array_item(PyObject* self, PyObject* const* args, Py_ssize_t n) {
    if (n == 0 && as_array(self)->size == 1) return first_item(as_array(self));
    return on_view(self, "item", args, n, nullptr);
}
PyObject* array_tolist(PyObject* self, PyObject*) { return on_view(self, "tolist", nullptr, 0, nullptr); }

PyObject* array_format(PyObject* self, PyObject* spec) {
    Array* a = as_array(self);
    Ref value(a->ndim == 0 ? first_item(a) : Py_XNewRef(array_view(a)));
    return value ? PyObject_Format(value.p, spec) : nullptr;
}

PyObject* array_str(PyObject* self) {
    if (is_key_type(as_array(self)->type_num)) return key_array_repr(as_array(self));
    PyObject* v = array_view(as_array(self));
    return v ? PyObject_Str(v) : nullptr;
}

PyObject* array_repr(PyObject* self) {
    static const char prefix[] = "Array(";
    Array* a = as_array(self);
    if (is_key_type(a->type_num)) return key_array_repr(a);
    PyObject* v = array_view(a);
    if (!v) return nullptr;
    Ref np(PyImport_ImportModule("numpy"));
    if (!np) return nullptr;
    std::string body;
    if (a->size == 0) {
        Ref s(PyObject_Str(array_shape(a)));
        if (!s) return nullptr;
        body = std::string("[], shape=") + PyUnicode_AsUTF8(s.p);
    } else {
        Ref fn(PyObject_GetAttrString(np.p, "array2string")), args(PyTuple_Pack(1, v)),
            kwargs(Py_BuildValue("{s:s,s:s,s:s}", "separator", ", ", "prefix", prefix, "suffix", ","));
        if (!fn || !args || !kwargs) return nullptr;
        Ref s(PyObject_Call(fn.p, args.p, kwargs.p));
        const char* text = s ? PyUnicode_AsUTF8(s.p) : nullptr;
        if (!text) return nullptr;
        body = text;
    }
    Ref name(PyObject_GetAttrString(reinterpret_cast<PyObject*>(a->descr), "name"));
    if (!name) return nullptr;
    std::string tail = std::string("dtype=") + PyUnicode_AsUTF8(name.p);
    if (a->weak) tail += ", weak_type=True";
    tail += ")";
    Ref options(PyObject_CallMethod(np.p, "get_printoptions", nullptr));
    if (!options) return nullptr;
    PyObject* width = PyDict_GetItemString(options.p, "linewidth");
    size_t line = width && PyLong_Check(width) ? size_t(PyLong_AsSize_t(width)) : 75;
    size_t newline = body.rfind('\n');
    size_t last = body.size() - (newline == std::string::npos ? 0 : newline + 1);
    // JAX's look: after a long last line (a first line counts without the prefix) the tail is set off
    std::string text = prefix + body + (last + tail.size() + 3 <= line ? ", " : ",      ") + tail;
    return PyUnicode_FromStringAndSize(text.data(), Py_ssize_t(text.size()));
}

// ---- NumPy and buffer protocols ---------------------------------------------------------------

PyObject* array_array(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
    PyObject *dtype = Py_None, *copy = Py_None;
    if (n > 2) {
        PyErr_SetString(PyExc_TypeError, "__array__ takes at most two arguments: dtype and copy");
        return nullptr;
    }
    if (n > 0) dtype = args[0];
    if (n > 1) copy = args[1];
    for (Py_ssize_t i = 0, k = kwnames ? PyTuple_GET_SIZE(kwnames) : 0; i < k; ++i) {
        PyObject* name = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_CompareWithASCIIString(name, "dtype") == 0)
            dtype = args[n + i];
        else if (PyUnicode_CompareWithASCIIString(name, "copy") == 0)
            copy = args[n + i];
        else {
            PyErr_Format(PyExc_TypeError, "__array__ got an unexpected keyword argument %R", name);
            return nullptr;
        }
    }
    PyObject* v = array_view(as_array(self));
    if (!v) return nullptr;
    if (is_key_type(as_array(self)->type_num)) {
        PyErr_SetString(PyExc_TypeError,
                        "An array of random keys cannot be converted to a NumPy array. "
                        "Its words are given by jitney.random.key_data(keys).");
        return nullptr;
    }
    PyArrayObject* arr = reinterpret_cast<PyArrayObject*>(v);
    bool want_copy = copy == Py_True, no_copy = copy == Py_False;
    if (dtype == Py_None) return want_copy ? PyArray_NewCopy(arr, NPY_CORDER) : Py_NewRef(v);
    PyArray_Descr* d = nullptr;
    if (!PyArray_DescrConverter(dtype, &d)) return nullptr;
    if (PyArray_EquivTypes(d, PyArray_DESCR(arr))) {
        Py_DECREF(d);
        return want_copy ? PyArray_NewCopy(arr, NPY_CORDER) : Py_NewRef(v);
    }
    if (no_copy) {
        Py_DECREF(d);
        PyErr_SetString(PyExc_ValueError, "Unable to avoid copy while creating an array as requested.");
        return nullptr;
    }
    return PyArray_CastToType(arr, d, 0);
}

const char* buffer_format(int type_num) {
    switch (type_num) {
        case NPY_BOOL: return "?";
        case NPY_BYTE: return "b";
        case NPY_UBYTE: return "B";
        case NPY_SHORT: return "h";
        case NPY_USHORT: return "H";
        case NPY_INT: return "i";
        case NPY_UINT: return "I";
        case NPY_LONG: return "l";
        case NPY_ULONG: return "L";
        case NPY_LONGLONG: return "q";
        case NPY_ULONGLONG: return "Q";
        case NPY_HALF: return "e";
        case NPY_FLOAT: return "f";
        case NPY_DOUBLE: return "d";
        case NPY_CFLOAT: return "Zf";
        case NPY_CDOUBLE: return "Zd";
    }
    return nullptr;
}

int array_getbuffer(PyObject* self, Py_buffer* view, int flags) {
    Array* a = as_array(self);
    view->obj = nullptr;
    const char* format = buffer_format(a->type_num);
    if (!format) {
        PyErr_Format(PyExc_BufferError, "the buffer protocol has no format for dtype %S", a->descr);
        return -1;
    }
    if (flags & PyBUF_WRITABLE & ~PyBUF_SIMPLE) {
        PyErr_SetString(PyExc_BufferError, "jitney arrays are read-only");
        return -1;
    }
    view->internal = nullptr;
    view->strides = nullptr;
    if ((flags & PyBUF_STRIDES) == PyBUF_STRIDES && a->ndim > 0) {
        Py_ssize_t* strides = static_cast<Py_ssize_t*>(PyMem_Malloc(size_t(a->ndim) * sizeof(Py_ssize_t)));
        if (!strides) {
            PyErr_NoMemory();
            return -1;
        }
        Py_ssize_t step = Py_ssize_t(PyDataType_ELSIZE(a->descr));
        for (int i = a->ndim; i-- > 0;) {
            strides[i] = step;
            step *= a->shape[i];
        }
        // a column-major request can be met only where both orders agree
        bool fortran = (flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_F_CONTIGUOUS, wide = false;
        for (int i = 0, long_axes = 0; i < a->ndim; ++i) wide = wide || (a->shape[i] > 1 && ++long_axes > 1);
        if (fortran && wide && a->size > 0) {
            PyMem_Free(strides);
            PyErr_SetString(PyExc_BufferError, "jitney arrays are row-major");
            return -1;
        }
        view->strides = strides;
        view->internal = strides;
    }
    static_assert(sizeof(npy_intp) == sizeof(Py_ssize_t), "shapes are shared with the buffer protocol");
    view->obj = Py_NewRef(self);
    view->buf = a->data;
    view->len = a->nbytes;
    view->itemsize = Py_ssize_t(PyDataType_ELSIZE(a->descr));
    view->readonly = 1;
    view->ndim = a->ndim;
    view->format = (flags & PyBUF_FORMAT) ? const_cast<char*>(format) : nullptr;
    view->shape = (flags & PyBUF_ND) ? reinterpret_cast<Py_ssize_t*>(a->shape) : nullptr;
    view->suboffsets = nullptr;
    return 0;
}

void array_releasebuffer(PyObject*, Py_buffer* view) { PyMem_Free(view->internal); }

// NumPy does not export read-only arrays to consumers of the old, unversioned protocol, which has no flag for
// it; like JAX we trust those not to write.
PyObject* array_dlpack(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
    Array* a = as_array(self);
    PyObject* v = array_view(a);
    if (!v) return nullptr;
    bool versioned = false;
    for (Py_ssize_t i = 0, k = kwnames ? PyTuple_GET_SIZE(kwnames) : 0; i < k; ++i)
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, i), "max_version") == 0) {
            PyObject* version = args[n + i];
            if (PyTuple_Check(version) && PyTuple_GET_SIZE(version) > 0)
                versioned = PyLong_AsLong(PyTuple_GET_ITEM(version, 0)) >= 1;
            PyErr_Clear();
        }
    Ref source(Py_NewRef(v));
    if (!versioned) {
        Py_INCREF(a->descr);
        PyArrayObject* ro = reinterpret_cast<PyArrayObject*>(v);
        PyObject* rw = PyArray_NewFromDescr(&PyArray_Type, a->descr, a->ndim, a->shape, nullptr, PyArray_DATA(ro),
                                            NPY_ARRAY_CARRAY, nullptr);
        if (!rw) return nullptr;
        if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(rw), Py_NewRef(v)) < 0) {
            Py_DECREF(rw);
            return nullptr;
        }
        Py_DECREF(source.release());
        source.p = rw;
    }
    Ref method(PyObject_GetAttrString(source.p, "__dlpack__"));
    return method ? PyObject_Vectorcall(method.p, args, size_t(n), kwnames) : nullptr;
}

PyObject* array_dlpack_device(PyObject*, PyObject*) { return Py_BuildValue("(ii)", 1, 0); }

// ---- pickling, copying ------------------------------------------------------------------------

PyObject* unpickle(PyObject*, PyObject* const* args, Py_ssize_t n) {
    if (n != 2 || !PyArray_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "unpickle_array takes an ndarray and a bool");
        return nullptr;
    }
    int weak = PyObject_IsTrue(args[1]);
    return weak < 0 ? nullptr : array_wrap(args[0], weak);
}

PyObject* array_reduce(PyObject* self, PyObject*) {
    Ref module(PyImport_ImportModule("jitney._ext"));
    if (!module) return nullptr;
    Ref fn(PyObject_GetAttrString(module.p, "unpickle_array"));
    PyObject* v = array_view(as_array(self));
    if (!fn || !v) return nullptr;
    return Py_BuildValue("(O(OO))", fn.p, v, as_array(self)->weak ? Py_True : Py_False);
}

PyObject* array_self(PyObject* self, PyObject*) { return Py_NewRef(self); }

PyObject* array_pointer(PyObject* self, PyObject*) { return PyLong_FromVoidPtr(as_array(self)->data); }
PyObject* array_is_deleted(PyObject*, PyObject*) { Py_RETURN_FALSE; }

PyMethodDef array_methods[] = {
    {"__array__", cfunction(array_array), METH_FASTCALL | METH_KEYWORDS,
     "__array__($self, dtype=None, copy=None)\n--\n\nAs an ndarray, without a copy where possible."},
    {"__dlpack__", cfunction(array_dlpack), METH_FASTCALL | METH_KEYWORDS, "Export as a DLPack capsule."},
    {"__dlpack_device__", array_dlpack_device, METH_NOARGS, "(1, 0): the memory of the CPU."},
    {"__complex__", array_complex, METH_NOARGS, nullptr},
    {"__format__", array_format, METH_O, nullptr},
    {"__reduce__", array_reduce, METH_NOARGS, nullptr},
    {"__copy__", array_self, METH_NOARGS, nullptr},
    {"__deepcopy__", array_self, METH_O, nullptr},
    {"item", cfunction(array_item), METH_FASTCALL, "item($self, *index)\n--\n\nOne element as a Python scalar."},
    {"tolist", array_tolist, METH_NOARGS, "tolist($self)\n--\n\nThe elements as nested lists of Python scalars."},
    {"unsafe_buffer_pointer", array_pointer, METH_NOARGS, "The address of the first element."},
    {"is_deleted", array_is_deleted, METH_NOARGS, "False: the engine never deletes an array under its user."},
    {nullptr, nullptr, 0, nullptr}};

// ---- sequence protocol ------------------------------------------------------------------------

Py_ssize_t array_len(PyObject* self) {
    Array* a = as_array(self);
    if (a->ndim == 0) {
        PyErr_SetString(PyExc_TypeError, "len() of unsized object");
        return -1;
    }
    return a->shape[0];
}

// The contiguous block at `offset` (elements): a copy when tiny, else shared with the base.
PyObject* block(Array* base, npy_intp offset, int ndim, const npy_intp* shape) {
    Array* a = array_new_header(base->descr, ndim, shape, base->weak);
    if (JT_UNLIKELY(!a)) return nullptr;
    char* start = base->data + offset * PyDataType_ELSIZE(base->descr);
    if (a->nbytes <= kInlineBytes) {
        memcpy(a->inline_data, start, size_t(a->nbytes));
        a->data = a->inline_data;
    } else {
        if (JT_UNLIKELY(!ensure_owner(base))) {
            Py_DECREF(reinterpret_cast<PyObject*>(a));
            return nullptr;
        }
        a->owner = Py_NewRef(base->owner);
        a->data = start;
    }
    return reinterpret_cast<PyObject*>(a);
}

npy_intp product(int n, const npy_intp* shape) {
    npy_intp p = 1;
    for (int i = 0; i < n; ++i) p *= shape[i];
    return p;
}

// An exact int in the range of the axis; -1 where the fast path does not apply.
npy_intp static_index(PyObject* key, npy_intp length) {
    if (!PyLong_CheckExact(key)) return -1;
    int overflow;
    long long i = PyLong_AsLongLongAndOverflow(key, &overflow);
    if (overflow) return -1;
    if (i < 0) i += length;
    return i >= 0 && i < length ? npy_intp(i) : -1;
}

bool plain_bound(PyObject* o) { return o == Py_None || PyLong_CheckExact(o); }

PyObject* fast_getitem(Array* a, PyObject* key) {
    if (a->ndim == 0) return nullptr;
    if (PyLong_CheckExact(key)) {
        npy_intp i = static_index(key, a->shape[0]);
        return i < 0 ? nullptr : block(a, i * product(a->ndim - 1, a->shape + 1), a->ndim - 1, a->shape + 1);
    }
    if (PyTuple_CheckExact(key)) {
        Py_ssize_t n = PyTuple_GET_SIZE(key);
        if (n == 0 || n > a->ndim) return nullptr;
        npy_intp offset = 0;
        for (Py_ssize_t k = 0; k < n; ++k) {
            npy_intp i = static_index(PyTuple_GET_ITEM(key, k), a->shape[k]);
            if (i < 0) return nullptr;
            offset = offset * a->shape[k] + i;
        }
        int rest = a->ndim - int(n);
        return block(a, offset * product(rest, a->shape + n), rest, a->shape + n);
    }
    if (PySlice_Check(key)) {
        PySliceObject* s = reinterpret_cast<PySliceObject*>(key);
        if (!plain_bound(s->start) || !plain_bound(s->stop) || !plain_bound(s->step)) return nullptr;
        Py_ssize_t start, stop, step;
        if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
            PyErr_Clear();  // step 0: the Python path words the error
            return nullptr;
        }
        if (step != 1) return nullptr;
        Py_ssize_t n = PySlice_AdjustIndices(a->shape[0], &start, &stop, step);
        npy_intp inner = product(a->ndim - 1, a->shape + 1);
        npy_intp small[kInlineDims], *shape = small;
        if (a->ndim > kInlineDims) return nullptr;
        shape[0] = n;
        for (int i = 1; i < a->ndim; ++i) shape[i] = a->shape[i];
        return block(a, start * inner, a->ndim, shape);
    }
    return nullptr;
}

PyObject* array_getitem(PyObject* self, PyObject* key) {
    if (JT_LIKELY(!current_trace)) {
        PyObject* r = fast_getitem(as_array(self), key);
        if (JT_LIKELY(r != nullptr)) return r;
        if (PyErr_Occurred()) return nullptr;
    }
    PyObject* r = call_operator(op_getitem, self, key);
    if (r == Py_NotImplemented) {
        Py_DECREF(r);
        PyErr_Format(PyExc_TypeError, "jitney arrays cannot be indexed with an object of type %.200s",
                     Py_TYPE(key)->tp_name);
        return nullptr;
    }
    return r;
}

int array_setitem(PyObject* self, PyObject*, PyObject* value) {
    PyErr_Format(PyExc_TypeError,
                 value ? "jitney arrays are immutable and do not support in-place item assignment (this one is of type "
                         "%.100s). Instead of x[idx] = y, use x = x.at[idx].set(y) or another .at[] method."
                       : "jitney arrays are immutable and do not support the deletion of items (this one is of type "
                         "%.100s). Use jitney.numpy.delete, which returns a new array.",
                 Py_TYPE(self)->tp_name);
    return -1;
}

struct Iter {
    PyObject_HEAD
    Array* base;
    npy_intp at;
};

PyObject* array_iter(PyObject* self) {
    if (as_array(self)->ndim == 0) {
        PyErr_SetString(PyExc_TypeError, "iteration over a 0-d array");
        return nullptr;
    }
    Iter* it = PyObject_New(Iter, IterType);
    if (!it) return nullptr;
    it->base = as_array(Py_NewRef(self));
    it->at = 0;
    return reinterpret_cast<PyObject*>(it);
}

void iter_dealloc(PyObject* self) {
    Py_DECREF(reinterpret_cast<PyObject*>(reinterpret_cast<Iter*>(self)->base));
    PyTypeObject* t = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(t);
}

PyObject* iter_next(PyObject* self) {
    Iter* it = reinterpret_cast<Iter*>(self);
    Array* a = it->base;
    if (it->at >= a->shape[0]) return nullptr;
    npy_intp i = it->at++;
    return block(a, i * product(a->ndim - 1, a->shape + 1), a->ndim - 1, a->shape + 1);
}

PyObject* iter_length_hint(PyObject* self, PyObject*) {
    Iter* it = reinterpret_cast<Iter*>(self);
    return PyLong_FromSsize_t(it->base->shape[0] - it->at);
}

PyMethodDef iter_methods[] = {{"__length_hint__", iter_length_hint, METH_NOARGS, nullptr},
                              {nullptr, nullptr, 0, nullptr}};
PyType_Slot iter_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(iter_dealloc)},
                            {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                            {Py_tp_iternext, reinterpret_cast<void*>(iter_next)},
                            {Py_tp_methods, iter_methods},
                            {0, nullptr}};
PyType_Spec iter_spec = {"jitney._ext.ArrayIterator", sizeof(Iter), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, iter_slots};

PyMemberDef array_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Array, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyObject* wrap(PyObject*, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
    Py_ssize_t given = n + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
    bool named = given > n;
    if (n < 1 || given > 2 || (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "weak_type"))) {
        PyErr_SetString(PyExc_TypeError, "wrap takes (value, weak_type=False)");
        return nullptr;
    }
    int weak = given > 1 ? PyObject_IsTrue(args[1]) : 0;
    return weak < 0 ? nullptr : array_wrap(args[0], weak);
}

}  // namespace

PyMethodDef array_functions[] = {
    {"wrap", cfunction(wrap), METH_FASTCALL | METH_KEYWORDS,
     "wrap($module, value, /, weak_type=False)\n--\n\nAn ndarray, NumPy scalar or Python scalar as an ArrayImpl."},
    {"unpickle_array", cfunction(unpickle), METH_FASTCALL, "What pickled arrays are restored with."},
    {nullptr, nullptr, 0, nullptr}};

int init_array(PyObject* module) {
    fill_descrs();
    StorageType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&storage_spec));
    IterType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&iter_spec));
    if (!StorageType || !IterType) return -1;

    static PyType_Slot own[] = {
        {Py_tp_doc, const_cast<char*>("The concrete, immutable array of jitney. Made by jitney.numpy functions.")},
        {Py_tp_dealloc, reinterpret_cast<void*>(array_dealloc)},
        {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
        {Py_tp_repr, reinterpret_cast<void*>(array_repr)},
        {Py_tp_str, reinterpret_cast<void*>(array_str)},
        {Py_tp_iter, reinterpret_cast<void*>(array_iter)},
        {Py_tp_getset, array_getset},
        {Py_tp_methods, array_methods},
        {Py_tp_members, array_members},
        {Py_mp_length, reinterpret_cast<void*>(array_len)},
        {Py_mp_subscript, reinterpret_cast<void*>(array_getitem)},
        {Py_mp_ass_subscript, reinterpret_cast<void*>(array_setitem)},
        {Py_nb_bool, reinterpret_cast<void*>(array_bool)},
        {Py_nb_int, reinterpret_cast<void*>(array_int)},
        {Py_nb_float, reinterpret_cast<void*>(array_float)},
        {Py_nb_index, reinterpret_cast<void*>(array_index)},
        {Py_bf_getbuffer, reinterpret_cast<void*>(array_getbuffer)},
        {Py_bf_releasebuffer, reinterpret_cast<void*>(array_releasebuffer)},
    };
    constexpr size_t n_own = sizeof own / sizeof *own;
    static PyType_Slot slots[n_own + 40];
    size_t n = 0;
    for (const PyType_Slot& s : own) slots[n++] = s;
    for (PyType_Slot* s = operator_slots; s->slot; ++s) slots[n++] = *s;
    slots[n] = {0, nullptr};
    static PyType_Spec spec = {"jitney.ArrayImpl", sizeof(Array), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    ArrayType = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
    if (!ArrayType) return -1;
    PyObject* type = reinterpret_cast<PyObject*>(ArrayType);
    Ref priority(PyLong_FromLong(100));
    if (!priority || PyObject_SetAttrString(type, "__array_priority__", priority.p) < 0) return -1;
    return PyModule_AddObjectRef(module, "ArrayImpl", type);
}

}  // namespace jt
