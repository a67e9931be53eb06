// Random keys: the dtypes key<fry>, key<rbg> and key<urbg>, and the Threefry-2x32 counter cipher over small arrays.
//
// A key of the first kind is the pair of 32-bit words (k0, k1) of J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC11 (2011); in memory one after the other, hence as a little-endian 64-bit word k0 | k1 << 32. Programs compute
// with these words; here are the same functions for eager calls on small arrays.
#include "jitney.h"

#include <string>

namespace jt {

namespace {

// ---- the dtypes -------------------------------------------------------------------------------

// A kind of keys: the words of 32 bits that one has, and the names of its dtype.
struct KeyKind {
    const char* name;       // as the dtype prints
    const char* full_name;  // of the type of scalars
    const char* attribute;  // of the module: the dtype
    int words;
    PyTypeObject* scalar = nullptr;
    PyArray_Descr* descr = nullptr;
    PyArray_ArrFuncs functions{};
    PyArray_DescrProto proto{};

    size_t size() const { return words * sizeof(uint32_t); }
};

KeyKind kinds[] = {{"key<fry>", "jitney._ext.key<fry>", "key_dtype", 2},
                   {"key<rbg>", "jitney._ext.key<rbg>", "rbg_key_dtype", 4},
                   {"key<urbg>", "jitney._ext.key<urbg>", "urbg_key_dtype", 4}};
constexpr int most_words = 4;

struct KeyScalar {
    PyObject_HEAD
    uint32_t words[most_words];
};

template <int k>
PyObject* key_getitem(void* data, void*) {
    KeyScalar* s = PyObject_New(KeyScalar, kinds[k].scalar);
    if (s) memcpy(s->words, data, kinds[k].size());
    return reinterpret_cast<PyObject*>(s);
}

template <int k>
int key_setitem(PyObject* value, void* data, void*) {
    if (!PyObject_TypeCheck(value, kinds[k].scalar)) {
        PyErr_Format(PyExc_TypeError, "an array of random keys cannot hold an object of type %.200s",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    memcpy(data, reinterpret_cast<KeyScalar*>(value)->words, kinds[k].size());
    return 0;
}

// Keys are always in native order: copies never swap.
template <int k>
void key_copyswap(void* to, void* from, int, void*) {
    if (from) memcpy(to, from, kinds[k].size());
}

template <int k>
void key_copyswapn(void* to, npy_intp to_stride, void* from, npy_intp from_stride, npy_intp n, int, void*) {
    if (!from) return;
    for (npy_intp i = 0; i < n; ++i)
        memcpy(static_cast<char*>(to) + i * to_stride, static_cast<char*>(from) + i * from_stride, kinds[k].size());
}

template <int k>
npy_bool key_nonzero(void* data, void*) {
    uint32_t words[most_words] = {};
    memcpy(words, data, kinds[k].size());
    return (words[0] | words[1] | words[2] | words[3]) != 0;
}

PyObject* scalar_repr(PyObject* self) {
    for (const KeyKind& kind : kinds) {
        if (!PyObject_TypeCheck(self, kind.scalar)) continue;
        std::string text = std::string(kind.name) + "[";
        for (int i = 0; i < kind.words; ++i)
            text += (i ? " " : "") + std::to_string(reinterpret_cast<KeyScalar*>(self)->words[i]);
        return PyUnicode_FromString((text + "]").c_str());
    }
    return PyUnicode_FromString("a random key");
}

// What NumPy's scalars inherit would ask the array of the scalar, which asks the scalar.
PyObject* no_number(PyObject*) {
    PyErr_SetString(PyExc_TypeError, "a random key is no number; its words are given by jitney.random.key_data(key)");
    return nullptr;
}

template <int k>
bool make_key_dtype(PyObject* module) {
    KeyKind& kind = kinds[k];
    static PyType_Slot slots[] = {{Py_tp_repr, reinterpret_cast<void*>(scalar_repr)},
                                  {Py_tp_str, reinterpret_cast<void*>(scalar_repr)},
                                  {Py_nb_float, reinterpret_cast<void*>(no_number)},
                                  {Py_nb_int, reinterpret_cast<void*>(no_number)},
                                  {Py_nb_index, reinterpret_cast<void*>(no_number)},
                                  {0, nullptr}};
    static PyType_Spec spec = {kind.full_name, sizeof(KeyScalar), 0, Py_TPFLAGS_DEFAULT, slots};
    Ref bases(PyTuple_Pack(1, reinterpret_cast<PyObject*>(&PyGenericArrType_Type)));
    if (!bases) return false;
    kind.scalar = reinterpret_cast<PyTypeObject*>(PyType_FromSpecWithBases(&spec, bases.p));
    if (!kind.scalar) return false;

    PyArray_InitArrFuncs(&kind.functions);
    kind.functions.getitem = key_getitem<k>;
    kind.functions.setitem = key_setitem<k>;
    kind.functions.copyswap = key_copyswap<k>;
    kind.functions.copyswapn = key_copyswapn<k>;
    kind.functions.nonzero = key_nonzero<k>;

    PyArray_DescrProto& proto = kind.proto;
    Py_SET_TYPE(reinterpret_cast<PyObject*>(&proto), &PyArrayDescr_Type);
    Py_SET_REFCNT(reinterpret_cast<PyObject*>(&proto), 1);
    proto.typeobj = kind.scalar;
    proto.kind = 'V';
    proto.type = 'K';
    proto.byteorder = '=';
    proto.flags = NPY_USE_GETITEM | NPY_USE_SETITEM;
    proto.elsize = int(kind.size());
    proto.alignment = alignof(uint64_t);
    proto.f = &kind.functions;
    proto.hash = -1;
    int number = PyArray_RegisterDataType(&proto);
    if (number < 0) return false;
    kind.descr = PyArray_DescrFromType(number);
    // Under its own name, too, pickle finds the type of scalars.
    return kind.descr &&
           PyModule_AddObjectRef(module, kind.attribute, reinterpret_cast<PyObject*>(kind.descr)) == 0 &&
           PyModule_AddObjectRef(module, kind.name, reinterpret_cast<PyObject*>(kind.scalar)) == 0;
}

const KeyKind* kind_of_number(int type_num) {
    for (const KeyKind& kind : kinds)
        if (kind.descr && kind.descr->type_num == type_num) return &kind;
    return nullptr;
}

PyObject* key_dtype_text(PyObject* self) {
    const KeyKind* kind = kind_of_number(reinterpret_cast<PyArray_Descr*>(self)->type_num);
    return PyUnicode_FromString(kind ? kind->name : "key");
}

PyObject* key_dtype_name(PyObject*, PyObject* self) { return key_dtype_text(self); }

// What programs ask of a key's dtype: it prints as key<fry>, and its `type` is the class that stands for keys.
// NumPy's class for the dtype is closed to assignment from Python, so its dictionary is filled here.
PyObject* describe_key_dtypes(PyObject*, PyObject* type) {
    static PyMethodDef text = {"name", reinterpret_cast<PyCFunction>(key_dtype_name), METH_O, nullptr};
    for (const KeyKind& kind : kinds) {
        PyTypeObject* cls = Py_TYPE(kind.descr);
        Ref getter(PyCFunction_New(&text, nullptr));
        Ref name(getter ? PyObject_CallOneArg(reinterpret_cast<PyObject*>(&PyProperty_Type), getter.p) : nullptr);
        if (!name || PyDict_SetItemString(cls->tp_dict, "name", name.p) < 0) return nullptr;
        if (PyDict_SetItemString(cls->tp_dict, "type", type) < 0) return nullptr;
        cls->tp_repr = key_dtype_text;
        cls->tp_str = key_dtype_text;
        PyType_Modified(cls);
    }
    Py_RETURN_NONE;
}

// ---- Threefry-2x32, 20 rounds -------------------------------------------------------------------

inline uint32_t rotate(uint32_t x, int n) { return (x << n) | (x >> (32 - n)); }

// Encrypts the counter (x0, x1) under the key (k0, k1).
inline void threefry(uint32_t k0, uint32_t k1, uint32_t& x0, uint32_t& x1) {
    constexpr int turns[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
    const uint32_t keys[3] = {k0, k1, k0 ^ k1 ^ 0x1BD11BDAu};
    x0 += k0;
    x1 += k1;
    for (int group = 0; group < 5; ++group) {
        for (int turn : turns[group % 2]) {
            x0 += x1;
            x1 = rotate(x1, turn) ^ x0;
        }
        x0 += keys[(group + 1) % 3];
        x1 += keys[(group + 2) % 3] + uint32_t(group + 1);
    }
}

template <class T>
inline T combine(uint32_t x0, uint32_t x1) {
    if constexpr (sizeof(T) == 8) return T(x0) << 32 | x1;
    return T(x0 ^ x1);
}

template <class T>
void fill_bits(const uint64_t* keys, npy_intp count, npy_intp each, void* out) {
    T* to = static_cast<T*>(out);
    for (npy_intp k = 0; k < count; ++k) {
        const uint32_t k0 = uint32_t(keys[k]), k1 = uint32_t(keys[k] >> 32);
        for (npy_intp i = 0; i < each; ++i) {
            uint32_t x0 = uint32_t(uint64_t(i) >> 32), x1 = uint32_t(i);
            threefry(k0, k1, x0, x1);
            *to++ = combine<T>(x0, x1);
        }
    }
}

// ---- functions of the module ------------------------------------------------------------------

// A C-contiguous array of 8-byte elements: keys, or their words.
PyArrayObject* words_of(PyObject* obj) {
    if (!PyArray_Check(obj)) {
        PyErr_SetString(PyExc_TypeError, "keys must be an ndarray");
        return nullptr;
    }
    PyArrayObject* arr = reinterpret_cast<PyArrayObject*>(obj);
    if (PyArray_ITEMSIZE(arr) != 8) {
        PyErr_SetString(PyExc_TypeError, "keys must have 8 bytes each");
        return nullptr;
    }
    return PyArray_GETCONTIGUOUS(arr);
}

PyObject* new_array(PyArray_Descr* descr, npy_intp size) {
    Py_INCREF(descr);
    return PyArray_NewFromDescr(&PyArray_Type, descr, 1, &size, nullptr, nullptr, 0, nullptr);
}

// threefry_bits(keys, each, width): `each` unsigned integers for each key, flat.
PyObject* threefry_bits(PyObject*, PyObject* const* args, Py_ssize_t n) {
    if (n != 3) return PyErr_SetString(PyExc_TypeError, "threefry_bits takes 3 arguments"), nullptr;
    Py_ssize_t each = PyLong_AsSsize_t(args[1]), width = PyLong_AsSsize_t(args[2]);
    if (PyErr_Occurred()) return nullptr;
    int type = width == 64 ? NPY_UINT64 : width == 32 ? NPY_UINT32 : width == 16 ? NPY_UINT16 : NPY_UINT8;
    Ref keys(reinterpret_cast<PyObject*>(words_of(args[0])));
    if (!keys) return nullptr;
    PyArrayObject* arr = reinterpret_cast<PyArrayObject*>(keys.p);
    npy_intp count = PyArray_SIZE(arr);
    PyObject* out = new_array(descr_of(type), count * each);
    if (!out) return nullptr;
    const uint64_t* words = static_cast<const uint64_t*>(PyArray_DATA(arr));
    void* data = PyArray_DATA(reinterpret_cast<PyArrayObject*>(out));
    if (width == 64) fill_bits<uint64_t>(words, count, each, data);
    else if (width == 32) fill_bits<uint32_t>(words, count, each, data);
    else if (width == 16) fill_bits<uint16_t>(words, count, each, data);
    else fill_bits<uint8_t>(words, count, each, data);
    return out;
}

// Numbers of [1, 2) from random bits behind the point, less 1, stretched by `span` and moved by `lo`. Two loops, as the
// product is to be rounded before the sum on all machines.
template <class F, class T>
void fill_uniform(const uint64_t* keys, npy_intp count, npy_intp each, F lo, F span, F* out) {
    constexpr int mantissa = sizeof(F) == 8 ? 52 : 23;
    const F unit = 1;
    T one;
    memcpy(&one, &unit, sizeof one);
    T* bits = reinterpret_cast<T*>(out);
    fill_bits<T>(keys, count, each, bits);
    for (npy_intp i = 0; i < count * each; ++i) {
        T b = bits[i] >> (8 * sizeof(T) - mantissa) | one;
        F u;
        memcpy(&u, &b, sizeof u);
        u = (u - unit) * span;
        memcpy(&bits[i], &u, sizeof u);
    }
    if (lo == 0 && span == 1) return;
    for (npy_intp i = 0; i < count * each; ++i) {
        F u;
        memcpy(&u, &bits[i], sizeof u);
        u += lo;
        u = u < lo ? lo : u;
        memcpy(&bits[i], &u, sizeof u);
    }
}

// threefry_uniform(keys, each, width, lo, span): `each` floats of `width` bits for each key, flat.
PyObject* threefry_uniform(PyObject*, PyObject* const* args, Py_ssize_t n) {
    if (n != 5) return PyErr_SetString(PyExc_TypeError, "threefry_uniform takes 5 arguments"), nullptr;
    Py_ssize_t each = PyLong_AsSsize_t(args[1]), width = PyLong_AsSsize_t(args[2]);
    const double lo = PyFloat_AsDouble(args[3]), span = PyFloat_AsDouble(args[4]);
    if (PyErr_Occurred()) return nullptr;
    Ref keys(reinterpret_cast<PyObject*>(words_of(args[0])));
    if (!keys) return nullptr;
    PyArrayObject* arr = reinterpret_cast<PyArrayObject*>(keys.p);
    npy_intp count = PyArray_SIZE(arr);
    PyObject* out = new_array(descr_of(width == 64 ? NPY_DOUBLE : NPY_FLOAT), count * each);
    if (!out) return nullptr;
    const uint64_t* words = static_cast<const uint64_t*>(PyArray_DATA(arr));
    void* data = PyArray_DATA(reinterpret_cast<PyArrayObject*>(out));
    if (width == 64)
        fill_uniform<double, uint64_t>(words, count, each, lo, span, static_cast<double*>(data));
    else
        fill_uniform<float, uint32_t>(words, count, each, float(lo), float(span), static_cast<float*>(data));
    return out;
}

// threefry_split(keys, each): the words of `each` new keys for each key, flat.
PyObject* threefry_split(PyObject*, PyObject* const* args, Py_ssize_t n) {
    if (n != 2) return PyErr_SetString(PyExc_TypeError, "threefry_split takes 2 arguments"), nullptr;
    Py_ssize_t each = PyLong_AsSsize_t(args[1]);
    if (PyErr_Occurred()) return nullptr;
    Ref keys(reinterpret_cast<PyObject*>(words_of(args[0])));
    if (!keys) return nullptr;
    PyArrayObject* arr = reinterpret_cast<PyArrayObject*>(keys.p);
    npy_intp count = PyArray_SIZE(arr);
    PyObject* out = new_array(descr_of(NPY_UINT64), count * each);
    if (!out) return nullptr;
    const uint64_t* words = static_cast<const uint64_t*>(PyArray_DATA(arr));
    uint64_t* to = static_cast<uint64_t*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(out)));
    for (npy_intp k = 0; k < count; ++k) {
        const uint32_t k0 = uint32_t(words[k]), k1 = uint32_t(words[k] >> 32);
        for (npy_intp i = 0; i < each; ++i) {
            uint32_t x0 = uint32_t(uint64_t(i) >> 32), x1 = uint32_t(i);
            threefry(k0, k1, x0, x1);
            *to++ = uint64_t(x1) << 32 | x0;
        }
    }
    return out;
}

// threefry_fold(keys, data): the words of one new key for each key and counter word (k0 = high half); equal sizes.
PyObject* threefry_fold(PyObject*, PyObject* const* args, Py_ssize_t n) {
    if (n != 2) return PyErr_SetString(PyExc_TypeError, "threefry_fold takes 2 arguments"), nullptr;
    Ref keys(reinterpret_cast<PyObject*>(words_of(args[0])));
    if (!keys) return nullptr;
    Ref counters(reinterpret_cast<PyObject*>(words_of(args[1])));
    if (!counters) return nullptr;
    PyArrayObject* arr = reinterpret_cast<PyArrayObject*>(keys.p);
    PyArrayObject* data = reinterpret_cast<PyArrayObject*>(counters.p);
    npy_intp count = PyArray_SIZE(arr);
    if (PyArray_SIZE(data) != count) return PyErr_SetString(PyExc_ValueError, "sizes differ"), nullptr;
    PyObject* out = new_array(descr_of(NPY_UINT64), count);
    if (!out) return nullptr;
    const uint64_t* words = static_cast<const uint64_t*>(PyArray_DATA(arr));
    const uint64_t* given = static_cast<const uint64_t*>(PyArray_DATA(data));
    uint64_t* to = static_cast<uint64_t*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(out)));
    for (npy_intp k = 0; k < count; ++k) {
        uint32_t x0 = uint32_t(given[k]), x1 = uint32_t(given[k] >> 32);
        threefry(uint32_t(words[k]), uint32_t(words[k] >> 32), x0, x1);
        to[k] = uint64_t(x1) << 32 | x0;
    }
    return out;
}

}  // namespace

bool is_key_type(int type_num) { return kind_of_number(type_num) != nullptr; }

// As JAX shows keys: the shape of the array, then the words.
PyObject* key_array_repr(Array* a) {
    const KeyKind* kind = kind_of_number(a->type_num);
    PyObject* view = array_view(a);
    PyObject* shape = array_shape(a);
    if (!kind || !view || !shape) return nullptr;
    Ref words_each(PyTuple_Pack(1, Ref(PyLong_FromLong(kind->words)).p));
    Ref whole(words_each ? PySequence_Concat(shape, words_each.p) : nullptr);
    if (!whole) return nullptr;
    Ref flat(PyArray_Ravel(reinterpret_cast<PyArrayObject*>(view), NPY_CORDER));
    Ref words(flat ? PyObject_CallMethod(flat.p, "view", "s", "u4") : nullptr);
    Ref shaped(words ? PyObject_CallMethod(words.p, "reshape", "O", whole.p) : nullptr);
    return shaped ? PyUnicode_FromFormat("Array(%S, dtype=%s) overlaying:\n%S", shape, kind->name, shaped.p) : nullptr;
}

PyMethodDef random_functions[] = {
    {"threefry_bits", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(threefry_bits)), METH_FASTCALL,
     "threefry_bits($module, keys, each, width, /)\n--\n\nUnsigned integers of `width` bits, `each` for each key, flat."},
    {"threefry_uniform", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(threefry_uniform)), METH_FASTCALL,
     "threefry_uniform($module, keys, each, width, lo, span, /)\n--\n\nFloats of `width` bits in [lo, lo + span), `each` "
     "for each key, flat."},
    {"threefry_split", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(threefry_split)), METH_FASTCALL,
     "threefry_split($module, keys, each, /)\n--\n\nThe words of `each` new keys for each key, flat."},
    {"threefry_fold", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(threefry_fold)), METH_FASTCALL,
     "threefry_fold($module, keys, counters, /)\n--\n\nThe words of the keys that the counters are encrypted to, flat."},
    {"describe_key_dtypes", describe_key_dtypes, METH_O,
     "describe_key_dtypes($module, type, /)\n--\n\nLet the dtypes of keys have that `type`, and print as key<fry>."},
    {nullptr, nullptr, 0, nullptr}};

int init_random(PyObject* module) {
    return make_key_dtype<0>(module) && make_key_dtype<1>(module) && make_key_dtype<2>(module) ? 0 : -1;
}

}  // namespace jt
