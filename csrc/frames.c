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

#else

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
