/* Walks the interpreter's own frames to the first one outside the package, without creating frame objects. */
/* C, not C++, because CPython's internal headers do not always compile as C++; falls back to the public API. */
#define Py_BUILD_CORE_MODULE 1
#include <Python.h>

#if defined(__has_include)
#if __has_include(<internal/pycore_frame.h>) && PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030E0000
#define JT_INTERNAL_FRAMES 1
#endif
#endif

#ifdef JT_INTERNAL_FRAMES
#include <internal/pycore_frame.h>

PyCodeObject* jt_user_frame(int (*is_internal)(PyCodeObject*), int* lasti) {
    PyThreadState* ts = PyThreadState_Get();
#if PY_VERSION_HEX >= 0x030D0000
    struct _PyInterpreterFrame* f = ts->current_frame;
#else
    struct _PyInterpreterFrame* f = ts->cframe->current_frame;
#endif
    for (; f; f = f->previous) {
        if (_PyFrame_IsIncomplete(f)) continue;
#if PY_VERSION_HEX >= 0x030D0000
        PyCodeObject* code = _PyFrame_GetCode(f);
#else
        PyCodeObject* code = f->f_code;
#endif
        if (is_internal(code)) continue;
        *lasti = _PyInterpreterFrame_LASTI(f) * (int)sizeof(_Py_CODEUNIT);
        return code;
    }
    return NULL;
}

/* Whether the nearest frame outside the package is about to assign to a variable that holds `value` now: the operation
 * after its call is a store into it, as in x = f(x). `store_fast`, `store_name`, `extended` (high bits of the next
 * argument): numbers of operations. */
int jt_stores_into(PyObject* value, int (*is_internal)(PyCodeObject*), int store_fast, int store_name, int extended) {
    PyThreadState* ts = PyThreadState_Get();
#if PY_VERSION_HEX >= 0x030D0000
    struct _PyInterpreterFrame* f = ts->current_frame;
#else
    struct _PyInterpreterFrame* f = ts->cframe->current_frame;
#endif
    for (; f; f = f->previous) {
        if (_PyFrame_IsIncomplete(f)) continue;
#if PY_VERSION_HEX >= 0x030D0000
        PyCodeObject* code = _PyFrame_GetCode(f);
#else
        PyCodeObject* code = f->f_code;
#endif
        if (is_internal(code)) continue;
        PyObject* bytes = PyCode_GetCode(code); /* without the interpreter's specialisations */
        if (!bytes) {
            PyErr_Clear();
            return 0;
        }
        const unsigned char* ops = (const unsigned char*)PyBytes_AS_STRING(bytes);
        Py_ssize_t size = PyBytes_GET_SIZE(bytes);
        Py_ssize_t at = (Py_ssize_t)_PyInterpreterFrame_LASTI(f) * (Py_ssize_t)sizeof(_Py_CODEUNIT) + 2;
        while (at + 1 < size && ops[at] == 0) at += 2; /* caches */
        int arg = 0, op = -1;
        for (; at + 1 < size; at += 2) {
            op = ops[at];
            arg = arg << 8 | ops[at + 1];
            if (op != extended) break;
        }
        Py_DECREF(bytes);
        if (op == store_fast) return f->localsplus[arg] == value;
        if (op != store_name || !f->f_locals || !PyDict_Check(f->f_locals)) return 0;
        return PyDict_GetItem(f->f_locals, PyTuple_GET_ITEM(code->co_names, arg)) == value;
    }
    return 0;
}

#else

int jt_stores_into(PyObject* value, int (*is_internal)(PyCodeObject*), int store_fast, int store_name, int extended) {
    (void)value, (void)is_internal, (void)store_fast, (void)store_name, (void)extended;
    return 0;
}

PyCodeObject* jt_user_frame(int (*is_internal)(PyCodeObject*), int* lasti) {
    PyFrameObject* f = PyThreadState_GetFrame(PyThreadState_Get());
    while (f) {
        PyCodeObject* code = PyFrame_GetCode(f);
        if (!is_internal(code)) {
            *lasti = PyFrame_GetLasti(f);
            Py_DECREF(f);
            Py_DECREF(code); /* the frame on the stack keeps it alive */
            return code;
        }
        Py_DECREF(code);
        PyFrameObject* back = PyFrame_GetBack(f);
        Py_DECREF(f);
        f = back;
    }
    return NULL;
}

#endif
