// Operators of ArrayImpl: small eager arithmetic in plain loops, everything else handed to Python.
// Begin with fast_binary. Plain loops have no ufunc overhead and, unlike NumPy, raise no floating-point warnings.
#include <cmath>
#include <type_traits>

#include "jitney.h"

namespace jt {
namespace {

PyObject* g_impl[op_count];
npy_intp g_limit = 16384;

struct OpName {
    const char* name;
    Op op;
};
const OpName g_names[] = {
    {"add", op_add}, {"sub", op_subtract}, {"subtract", op_subtract}, {"mul", op_multiply}, {"multiply", op_multiply},
    {"truediv", op_true_divide}, {"true_divide", op_true_divide}, {"divide", op_true_divide},
    {"floordiv", op_floor_divide}, {"floor_divide", op_floor_divide}, {"mod", op_remainder},
    {"remainder", op_remainder}, {"pow", op_power}, {"power", op_power}, {"matmul", op_matmul}, {"and", op_and},
    {"bitwise_and", op_and}, {"or", op_or}, {"bitwise_or", op_or}, {"xor", op_xor}, {"bitwise_xor", op_xor},
    {"lshift", op_left_shift}, {"left_shift", op_left_shift}, {"rshift", op_right_shift},
    {"right_shift", op_right_shift}, {"divmod", op_divmod}, {"neg", op_negative}, {"negative", op_negative},
    {"pos", op_positive}, {"positive", op_positive}, {"abs", op_absolute}, {"absolute", op_absolute},
    {"invert", op_invert}, {"lt", op_lt}, {"less", op_lt}, {"le", op_le}, {"less_equal", op_le}, {"eq", op_eq},
    {"equal", op_eq}, {"ne", op_ne}, {"not_equal", op_ne}, {"gt", op_gt}, {"greater", op_gt}, {"ge", op_ge},
    {"greater_equal", op_ge}, {"getitem", op_getitem},
};

// ---- loops ------------------------------------------------------------------------------------

template <class T, class = void>
struct Wrapping {
    using type = T;
};
template <class T>
struct Wrapping<T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>>> {
    using type = std::make_unsigned_t<T>;  // signed overflow wraps as in NumPy instead of being undefined
};

template <int op, class T>
inline auto apply(T x, T y) {
    using W = typename Wrapping<T>::type;
    if constexpr (op == op_add) return T(W(x) + W(y));
    else if constexpr (op == op_subtract) return T(W(x) - W(y));
    else if constexpr (op == op_multiply) return T(W(x) * W(y));
    else if constexpr (op == op_true_divide) return T(x / y);
    else if constexpr (op == op_and) return T(x & y);
    else if constexpr (op == op_or) return T(x | y);
    else if constexpr (op == op_xor) return T(x ^ y);
    else if constexpr (op == op_lt) return npy_bool(x < y);
    else if constexpr (op == op_le) return npy_bool(x <= y);
    else if constexpr (op == op_eq) return npy_bool(x == y);
    else if constexpr (op == op_ne) return npy_bool(x != y);
    else if constexpr (op == op_gt) return npy_bool(x > y);
    else return npy_bool(x >= y);
}

using Loop = void (*)(const char* x, const char* y, char* out, npy_intp n, bool x_scalar, bool y_scalar);

template <int op, class T>
void loop(const char* xs, const char* ys, char* outs, npy_intp n, bool x_scalar, bool y_scalar) {
    const T* x = reinterpret_cast<const T*>(xs);
    const T* y = reinterpret_cast<const T*>(ys);
    auto* out = reinterpret_cast<decltype(apply<op, T>(T(), T()))*>(outs);
    if (x_scalar) {
        const T a = *x;
        for (npy_intp i = 0; i < n; ++i) out[i] = apply<op, T>(a, y[i]);
    } else if (y_scalar) {
        const T b = *y;
        for (npy_intp i = 0; i < n; ++i) out[i] = apply<op, T>(x[i], b);
    } else {
        for (npy_intp i = 0; i < n; ++i) out[i] = apply<op, T>(x[i], y[i]);
    }
}

enum Kind : int { k_f64, k_f32, k_i64, k_i32, k_bool, k_count, k_none = k_count };

Kind kind_of(int type_num) {
    switch (type_num) {
        case NPY_DOUBLE: return k_f64;
        case NPY_FLOAT: return k_f32;
        case NPY_INT64: return k_i64;
        case NPY_INT32: return k_i32;
        case NPY_BOOL: return k_bool;
        default: return k_none;
    }
}

template <int op, class F64, class F32, class I64, class I32, class B>
constexpr void fill(Loop (&row)[k_count]) {
    if constexpr (!std::is_void_v<F64>) row[k_f64] = loop<op, F64>;
    if constexpr (!std::is_void_v<F32>) row[k_f32] = loop<op, F32>;
    if constexpr (!std::is_void_v<I64>) row[k_i64] = loop<op, I64>;
    if constexpr (!std::is_void_v<I32>) row[k_i32] = loop<op, I32>;
    if constexpr (!std::is_void_v<B>) row[k_bool] = loop<op, B>;
}

struct Table {
    Loop at[op_count][k_count] = {};
    Table() {
        fill<op_add, double, float, int64_t, int32_t, void>(at[op_add]);
        fill<op_subtract, double, float, int64_t, int32_t, void>(at[op_subtract]);
        fill<op_multiply, double, float, int64_t, int32_t, void>(at[op_multiply]);
        fill<op_true_divide, double, float, void, void, void>(at[op_true_divide]);
        fill<op_and, void, void, int64_t, int32_t, npy_bool>(at[op_and]);
        fill<op_or, void, void, int64_t, int32_t, npy_bool>(at[op_or]);
        fill<op_xor, void, void, int64_t, int32_t, npy_bool>(at[op_xor]);
        fill<op_lt, double, float, int64_t, int32_t, void>(at[op_lt]);
        fill<op_le, double, float, int64_t, int32_t, void>(at[op_le]);
        fill<op_eq, double, float, int64_t, int32_t, npy_bool>(at[op_eq]);
        fill<op_ne, double, float, int64_t, int32_t, npy_bool>(at[op_ne]);
        fill<op_gt, double, float, int64_t, int32_t, void>(at[op_gt]);
        fill<op_ge, double, float, int64_t, int32_t, void>(at[op_ge]);
    }
};
const Table g_table;

// ---- the fast path ----------------------------------------------------------------------------

// A Python float or int as one element of the array's type; false where that is not exact or not ours.
// `weak` becomes false for np.float64, which is a scalar but no weak one.
bool convert_scalar(PyObject* o, Kind kind, char* buffer, bool* weak) {
    if (kind == k_f64 && Py_TYPE(o) == &PyDoubleArrType_Type) {
        memcpy(buffer, &reinterpret_cast<PyDoubleScalarObject*>(o)->obval, sizeof(double));
        *weak = false;
        return true;
    }
    if (PyFloat_CheckExact(o)) {
        double v = PyFloat_AS_DOUBLE(o);
        if (kind == k_f64) {
            memcpy(buffer, &v, sizeof v);
            return true;
        }
        if (kind == k_f32) {
            float f = float(v);
            memcpy(buffer, &f, sizeof f);
            return true;
        }
        return false;
    }
    if (!PyLong_CheckExact(o)) return false;
    int overflow;
    long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) return false;
    switch (kind) {
        case k_f64: {
            if (v > (1LL << 53) || v < -(1LL << 53)) return false;
            double d = double(v);
            memcpy(buffer, &d, sizeof d);
            return true;
        }
        case k_f32: {
            if (v > (1LL << 24) || v < -(1LL << 24)) return false;
            float f = float(v);
            memcpy(buffer, &f, sizeof f);
            return true;
        }
        case k_i64: {
            int64_t i = v;
            memcpy(buffer, &i, sizeof i);
            return true;
        }
        case k_i32: {
            if (v < INT32_MIN || v > INT32_MAX) return false;
            int32_t i = int32_t(v);
            memcpy(buffer, &i, sizeof i);
            return true;
        }
        default: return false;
    }
}

// One operand of a fast operation: an array of ours, a plain ndarray, or a Python number.
struct Operand {
    const char* data;
    const npy_intp* shape;
    npy_intp size;
    PyArray_Descr* descr;
    const Array* own;  // null for ndarrays and numbers
    int type_num, ndim;
    bool weak;
};

// False where the operand is neither of our arrays nor an ndarray in the same memory layout.
bool read_operand(PyObject* o, Operand* out) {
    if (JT_LIKELY(is_array(o))) {
        const Array* a = as_array(o);
        *out = {a->data, a->shape, a->size, a->descr, a, a->type_num, a->ndim, bool(a->weak)};
        return true;
    }
    if (!x64 || !PyArray_CheckExact(o)) return false;
    PyArrayObject* a = reinterpret_cast<PyArrayObject*>(o);
    if (!PyArray_IS_C_CONTIGUOUS(a) || !PyArray_ISALIGNED(a) || !PyArray_ISNOTSWAPPED(a)) return false;
    *out = {PyArray_BYTES(a), PyArray_DIMS(a), PyArray_SIZE(a), PyArray_DESCR(a), nullptr,
            canonical_type_num(PyArray_DESCR(a)), PyArray_NDIM(a), false};
    return true;
}

bool same_shape(const Operand& a, const Operand& b) {
    if (a.ndim != b.ndim) return false;
    for (int i = 0; i < a.ndim; ++i)
        if (a.shape[i] != b.shape[i]) return false;
    return true;
}

// x op y for two small arrays of one type (or an array and a Python scalar); null, without an error, where
// the Python implementation has to decide.
PyObject* fast_binary(Op op, PyObject* xo, PyObject* yo) {
    Operand x, y;
    const bool ax = read_operand(xo, &x), ay = read_operand(yo, &y);
    bool sx = false, sy = false, weak;
    alignas(8) char scalar[8];
    const Operand* shape_of;
    if (ax && ay) {
        if (x.type_num != y.type_num) return nullptr;
        sy = y.ndim == 0;
        sx = !sy && x.ndim == 0;
        if (!sx && !sy && !same_shape(x, y)) return nullptr;
        shape_of = sx ? &y : &x;
        weak = x.weak && y.weak;
    } else if (ax || ay) {
        shape_of = ax ? &x : &y;
        weak = shape_of->weak;
        (ax ? sy : sx) = true;
    } else {
        return nullptr;
    }
    const Kind kind = kind_of(shape_of->type_num);
    if (kind == k_none) return nullptr;
    if (!ax || !ay) {
        if (!convert_scalar(ax ? yo : xo, kind, scalar, &weak)) return nullptr;
        (ax ? y : x).data = scalar;
    }
    Loop f = g_table.at[op][kind];
    if (!f || shape_of->size > g_limit) return nullptr;
    const bool compares = op >= op_lt && op <= op_ge;
    const Array* own = shape_of->own;
    PyArray_Descr* descr = own ? own->descr : descr_of(shape_of->type_num);
    Array* out = array_new(compares ? descr_of(NPY_BOOL) : descr, shape_of->ndim, shape_of->shape, weak && !compares,
                           false);
    if (JT_UNLIKELY(!out)) return nullptr;
    if (own) {
        out->shape_tuple = Py_XNewRef(own->shape_tuple);
        if (!compares && weak == bool(own->weak)) out->aval = Py_XNewRef(own->aval);
    }
    f(x.data, y.data, out->data, shape_of->size, sx, sy);
    return reinterpret_cast<PyObject*>(out);
}

template <class T, class F>
void map(const Array* a, Array* out, F f) {
    const T* x = reinterpret_cast<const T*>(a->data);
    T* y = reinterpret_cast<T*>(out->data);
    for (npy_intp i = 0; i < a->size; ++i) y[i] = f(x[i]);
}

PyObject* fast_unary(Op op, PyObject* x) {
    const Array* a = as_array(x);
    Kind kind = kind_of(a->type_num);
    bool floating = kind == k_f64 || kind == k_f32, integer = kind == k_i64 || kind == k_i32;
    bool known = (op == op_negative && (floating || integer)) || (op == op_absolute && floating) ||
                 (op == op_invert && (integer || kind == k_bool));
    if (!known || a->size > g_limit) return nullptr;
    Array* out = array_new(a->descr, a->ndim, a->shape, a->weak, false);
    if (!out) return nullptr;
    if (op == op_negative) {
        switch (kind) {
            case k_f64: map<double>(a, out, [](double v) { return -v; }); break;
            case k_f32: map<float>(a, out, [](float v) { return -v; }); break;
            case k_i64: map<uint64_t>(a, out, [](uint64_t v) { return 0 - v; }); break;
            default: map<uint32_t>(a, out, [](uint32_t v) { return 0 - v; }); break;
        }
    } else if (op == op_absolute) {
        if (kind == k_f64) map<double>(a, out, [](double v) { return std::fabs(v); });
        else map<float>(a, out, [](float v) { return std::fabs(v); });
    } else {
        switch (kind) {
            case k_i64: map<int64_t>(a, out, [](int64_t v) { return ~v; }); break;
            case k_i32: map<int32_t>(a, out, [](int32_t v) { return ~v; }); break;
            default: map<npy_bool>(a, out, [](npy_bool v) { return npy_bool(!v); }); break;
        }
    }
    return reinterpret_cast<PyObject*>(out);
}

// ---- small matrix products ----------------------------------------------------------------------

constexpr npy_intp kSmallProduct = 4096;  // multiplications from which BLAS is worth its call

// out[m, n] = x[m, k] y[k, n], row by row; every row of `out` stays in cache while rows of y are added to it.
template <class T>
void product(const char* xs, const char* ys, char* outs, npy_intp m, npy_intp k, npy_intp n) {
    const T* x = reinterpret_cast<const T*>(xs);
    const T* y = reinterpret_cast<const T*>(ys);
    T* out = reinterpret_cast<T*>(outs);
    for (npy_intp i = 0; i < m; ++i) {
        T* row = out + i * n;
        for (npy_intp j = 0; j < n; ++j) row[j] = 0;
        for (npy_intp p = 0; p < k; ++p) {
            const T a = x[i * k + p];
            const T* other = y + p * n;
            for (npy_intp j = 0; j < n; ++j) row[j] += a * other[j];
        }
    }
}

// x @ y for small float vectors and matrices of one type; null, without an error, for everything else.
PyObject* fast_product(PyObject* xo, PyObject* yo) {
    if (!is_array(xo) || !is_array(yo)) return nullptr;
    const Array *x = as_array(xo), *y = as_array(yo);
    const Kind kind = kind_of(x->type_num);
    if (x->type_num != y->type_num || (kind != k_f64 && kind != k_f32)) return nullptr;
    if (x->ndim < 1 || x->ndim > 2 || y->ndim < 1 || y->ndim > 2) return nullptr;
    const npy_intp m = x->ndim == 2 ? x->shape[0] : 1, k = x->shape[x->ndim - 1];
    const npy_intp n = y->ndim == 2 ? y->shape[1] : 1;
    if (y->shape[0] != k || x->size > kSmallProduct || y->size > kSmallProduct || m * k * n > kSmallProduct)
        return nullptr;
    npy_intp shape[2];
    int ndim = 0;
    if (x->ndim == 2) shape[ndim++] = m;
    if (y->ndim == 2) shape[ndim++] = n;
    Array* out = array_new(x->descr, ndim, shape, x->weak && y->weak, false);
    if (JT_UNLIKELY(!out)) return nullptr;
    if (kind == k_f64) product<double>(x->data, y->data, out->data, m, k, n);
    else product<float>(x->data, y->data, out->data, m, k, n);
    return reinterpret_cast<PyObject*>(out);
}

// x ** 2 is x * x, in NumPy as in JAX.
bool is_two(PyObject* o) {
    if (!PyLong_CheckExact(o)) return false;
    int overflow;
    return PyLong_AsLongLongAndOverflow(o, &overflow) == 2;
}

}  // namespace

PyObject* call_operator(Op op, PyObject* a, PyObject* b) {
    PyObject* impl = g_impl[op];
    if (!impl) return Py_NewRef(Py_NotImplemented);
    PyObject* args[] = {nullptr, a, b};
    Ref held(Py_NewRef(impl));  // the implementation may be registered anew while it runs
    PyObject* r = PyObject_Vectorcall(impl, args + 1, (b ? 2 : 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
    if (JT_UNLIKELY(!r)) {
        describe_current_error(impl, args + 1, b ? 2 : 1, nullptr);
        filter_current_error();
    }
    return r;
}

namespace {

template <int op>
PyObject* binary(PyObject* x, PyObject* y) {
    if (JT_LIKELY(!current_trace)) {
        PyObject* r = fast_binary(Op(op), x, y);
        if (JT_LIKELY(r != nullptr)) return r;
        if (JT_UNLIKELY(PyErr_Occurred() != nullptr)) return nullptr;
    }
    return call_operator(Op(op), x, y);
}

template <int op>
PyObject* slow_binary(PyObject* x, PyObject* y) {
    return call_operator(Op(op), x, y);
}

PyObject* matmul(PyObject* x, PyObject* y) {
    if (JT_LIKELY(!current_trace)) {
        PyObject* r = fast_product(x, y);
        if (JT_LIKELY(r != nullptr)) return r;
        if (JT_UNLIKELY(PyErr_Occurred() != nullptr)) return nullptr;
    }
    return call_operator(op_matmul, x, y);
}

template <int op>
PyObject* unary(PyObject* x) {
    if (JT_LIKELY(!current_trace)) {
        PyObject* r = fast_unary(Op(op), x);
        if (JT_LIKELY(r != nullptr)) return r;
        if (JT_UNLIKELY(PyErr_Occurred() != nullptr)) return nullptr;
    }
    PyObject* r = call_operator(Op(op), x, nullptr);
    if (JT_UNLIKELY(r == Py_NotImplemented)) {  // there is no other operand that Python could ask
        Py_DECREF(r);
        r = PyErr_Format(PyExc_TypeError, "bad operand type for a unary operator: a jitney array of dtype %S",
                         as_array(x)->descr);
    }
    return r;
}

PyObject* power(PyObject* x, PyObject* y, PyObject* modulus) {
    if (modulus != Py_None) return Py_NewRef(Py_NotImplemented);
    if (!current_trace && is_array(x) && is_two(y) && kind_of(as_array(x)->type_num) != k_bool) {
        PyObject* r = fast_binary(op_multiply, x, x);
        if (r || PyErr_Occurred()) return r;
    }
    return call_operator(op_power, x, y);
}

PyObject* richcompare(PyObject* x, PyObject* y, int how) {
    Op op = Op(op_lt + how);
    if (JT_LIKELY(!current_trace)) {
        PyObject* r = fast_binary(op, x, y);
        if (JT_LIKELY(r != nullptr)) return r;
        if (JT_UNLIKELY(PyErr_Occurred() != nullptr)) return nullptr;
    }
    return call_operator(op, x, y);
}

PyObject* register_operator(PyObject*, PyObject* args, PyObject* kwargs) {
    static const char* names[] = {"name", "python_impl", "ufunc", nullptr};
    const char* name;
    PyObject *impl, *ufunc = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sO|O", const_cast<char**>(names), &name, &impl, &ufunc))
        return nullptr;
    for (const OpName& n : g_names)
        if (!strcmp(n.name, name)) {
            PyObject* old = g_impl[n.op];
            g_impl[n.op] = impl == Py_None ? nullptr : Py_NewRef(impl);
            return old ? old : Py_NewRef(Py_None);
        }
    PyErr_Format(PyExc_ValueError, "unknown operator %R", PyTuple_GET_ITEM(args, 0));
    return nullptr;
}

PyObject* set_eager_limit(PyObject*, PyObject* n) {
    Py_ssize_t v = PyLong_AsSsize_t(n);
    if (v == -1 && PyErr_Occurred()) return nullptr;
    npy_intp old = g_limit;
    g_limit = v;
    return PyLong_FromSsize_t(old);
}

}  // namespace

PyType_Slot operator_slots[] = {
    {Py_nb_add, reinterpret_cast<void*>(binary<op_add>)},
    {Py_nb_subtract, reinterpret_cast<void*>(binary<op_subtract>)},
    {Py_nb_multiply, reinterpret_cast<void*>(binary<op_multiply>)},
    {Py_nb_true_divide, reinterpret_cast<void*>(binary<op_true_divide>)},
    {Py_nb_floor_divide, reinterpret_cast<void*>(slow_binary<op_floor_divide>)},
    {Py_nb_remainder, reinterpret_cast<void*>(slow_binary<op_remainder>)},
    {Py_nb_power, reinterpret_cast<void*>(power)},
    {Py_nb_matrix_multiply, reinterpret_cast<void*>(matmul)},
    {Py_nb_and, reinterpret_cast<void*>(binary<op_and>)},
    {Py_nb_or, reinterpret_cast<void*>(binary<op_or>)},
    {Py_nb_xor, reinterpret_cast<void*>(binary<op_xor>)},
    {Py_nb_lshift, reinterpret_cast<void*>(slow_binary<op_left_shift>)},
    {Py_nb_rshift, reinterpret_cast<void*>(slow_binary<op_right_shift>)},
    {Py_nb_divmod, reinterpret_cast<void*>(slow_binary<op_divmod>)},
    {Py_nb_negative, reinterpret_cast<void*>(unary<op_negative>)},
    {Py_nb_positive, reinterpret_cast<void*>(unary<op_positive>)},
    {Py_nb_absolute, reinterpret_cast<void*>(unary<op_absolute>)},
    {Py_nb_invert, reinterpret_cast<void*>(unary<op_invert>)},
    {Py_tp_richcompare, reinterpret_cast<void*>(richcompare)},
    {0, nullptr}};

PyMethodDef operator_functions[] = {
    {"register_operator", cfunction(register_operator), METH_VARARGS | METH_KEYWORDS,
     "register_operator(name, python_impl, ufunc=None)\n--\n\nSets what an operator of ArrayImpl calls when the fast "
     "path does not apply; returns what it called before."},
    {"set_eager_limit", set_eager_limit, METH_O,
     "set_eager_limit(n)\n--\n\nElements up to which operators run in the extension; returns the previous limit."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace jt
