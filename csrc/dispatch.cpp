// JitFunction: from Python arguments to a compiled program, by a key of structure, types and static values.
// Begin with jit_call. The walk over the arguments writes the key; the cache maps it to an Entry.
#include <new>
#include <string>
#include <unordered_map>
#include <vector>

#include "callable.h"
#include "executable.h"
#include "jitney.h"

namespace jt {

int64_t config_key = 0;
bool x64 = true;

namespace {

// ---- the key ----------------------------------------------------------------------------------

// Structure is written as words; values that must be compared by Python stand in a second list.
enum Token : uint64_t { t_leaf = 1, t_tuple, t_list, t_dict, t_none, t_custom, t_static, t_kwargs };

struct KeyObject {
    PyObject* obj;  // owned
    Py_hash_t hash;
};

struct Entry {
    int refs = 1;
    uint64_t hash = 0;
    std::vector<uint64_t> words;
    std::vector<KeyObject> objects;
    PyObject* executable = nullptr;
    PyObject* builder = nullptr;  // a callable, or null where `tree` says how to build the result
    struct Node {
        enum Kind { leaf, tuple, list, dict, none } kind;
        Py_ssize_t n;    // children, or the number of the leaf
        PyObject* keys;  // of a dict
    };
    std::vector<Node> tree;  // prefix order; empty: the only result itself
    Entry* next = nullptr;   // same hash
};

void drop_entry(Entry* e) {
    if (--e->refs > 0) return;
    for (KeyObject& k : e->objects) Py_DECREF(k.obj);
    for (Entry::Node& n : e->tree) Py_XDECREF(n.keys);
    Py_XDECREF(e->executable);
    Py_XDECREF(e->builder);
    delete e;
}

// Key order of a dict, remembered per place in the arguments: programs pass the same dicts again and again.
struct DictOrder {
    std::vector<PyObject*> keys;  // owned, in the dict's own order
    std::vector<int> sorted;      // positions in sorted order
    PyObject* tuple = nullptr;    // the keys, sorted
    Py_hash_t hash = 0;
};

void drop_order(DictOrder& o) {
    for (PyObject* k : o.keys) Py_DECREF(k);
    Py_XDECREF(o.tuple);
}

struct Cache {
    std::unordered_map<uint64_t, Entry*> map;
    std::vector<DictOrder> orders;
    Entry* last = nullptr;  // borrowed from the map
    uint64_t version = 0;   // changes with every change of the map
    size_t size = 0;
};

struct JitFunction {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject* fun;
    PyObject* on_miss;
    PyObject* on_trace;
    PyObject* static_names;  // tuple of str, or null
    Cache* cache;
    std::vector<long>* static_nums;  // null: none
    PyObject* dict;
    PyObject* weakrefs;
};
JitFunction* as_jit(PyObject* o) { return reinterpret_cast<JitFunction*>(o); }

// ---- walking the arguments --------------------------------------------------------------------

enum class Walked { ok, foreign, error };  // foreign: something that only Python knows how to treat

class Walk {
    JitFunction* jf_;
    size_t dicts_ = 0;
    int depth_ = 0;

  public:
    Small<Leaf, 16> leaves;
    Small<uint64_t, 96> words;
    Small<KeyObject, 8> objects;

    explicit Walk(JitFunction* jf) : jf_(jf) {}
    ~Walk() {
        for (Leaf& l : leaves) {
            Py_DECREF(l.obj);
            Py_XDECREF(l.temp);
        }
        for (KeyObject& k : objects) Py_DECREF(k.obj);
    }

    bool word(Token t, uint64_t payload) { return words.push(uint64_t(t) | payload << 8); }

    // Steals nothing.
    bool object(PyObject* o, Py_hash_t hash) {
        if (!objects.push(KeyObject{o, hash})) return false;
        Py_INCREF(o);
        return true;
    }

    // Python scalars are read into the leaf itself, so leaves that move take their pointers along.
    bool room_for_leaf() {
        size_t n = leaves.size();
        Leaf* old = leaves.data();
        uintptr_t base = reinterpret_cast<uintptr_t>(old);
        if (!leaves.reserve(n + 1)) return false;
        if (JT_UNLIKELY(leaves.data() != old))
            for (size_t i = 0; i < n; ++i) {
                uintptr_t scalar = base + i * sizeof(Leaf) + offsetof(Leaf, scalar);
                if (reinterpret_cast<uintptr_t>(leaves[i].data) == scalar) leaves[i].data = leaves[i].scalar;
            }
        return true;
    }

    Walked leaf(PyObject* o) {
        size_t n = leaves.size();
        if (JT_UNLIKELY(!room_for_leaf())) return Walked::error;
        Leaf* l = leaves.data() + n;
        Read r = read_leaf(o, l);
        if (JT_UNLIKELY(r != Read::ok)) return r == Read::error ? Walked::error : Walked::foreign;
        l->obj = Py_NewRef(o);
        l->temp = nullptr;
        leaves.resize(n + 1);
        uint64_t type = uint64_t(l->type_num);
        if (JT_UNLIKELY(!x64)) type = narrow(int(type));
        if (!word(t_leaf, uint64_t(l->weak) | uint64_t(l->ndim) << 8 | type << 24)) return Walked::error;
        for (int i = 0; i < l->ndim; ++i)
            if (!words.push(uint64_t(l->shape[i]))) return Walked::error;
        return Walked::ok;
    }

    static uint64_t narrow(int t) {
        switch (t) {
            case NPY_INT64: return NPY_INT32;
            case NPY_UINT64: return NPY_UINT32;
            case NPY_DOUBLE: return NPY_FLOAT;
            case NPY_CDOUBLE: return NPY_CFLOAT;
        }
        return uint64_t(t);
    }

    Walked value(PyObject* o) {
        PyTypeObject* t = Py_TYPE(o);
        if (JT_LIKELY(t == ArrayType)) return leaf(o);
        if (t == &PyTuple_Type) return sequence(o, t_tuple);
        if (t == &PyDict_Type) return dict(o);
        if (t == &PyList_Type) return sequence(o, t_list);
        if (o == Py_None) return word(t_none, 0) ? Walked::ok : Walked::error;
        Walked w = leaf(o);
        return JT_LIKELY(w != Walked::foreign) ? w : custom(o);
    }

  private:
    bool descend() {
        if (JT_LIKELY(++depth_ < 400)) return true;
        PyErr_SetString(PyExc_RecursionError, "the arguments are nested too deeply, or a list contains itself");
        return false;
    }

    Walked sequence(PyObject* o, Token token) {
        Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
        if (!descend() || !word(token, uint64_t(n))) return Walked::error;
        for (Py_ssize_t i = 0; i < n; ++i) {
            if (JT_UNLIKELY(PySequence_Fast_GET_SIZE(o) != n)) {  // a flatten hook changed the list
                PyErr_SetString(PyExc_RuntimeError, "an argument changed while it was being read");
                return Walked::error;
            }
            PyObject* item = Py_NewRef(PySequence_Fast_GET_ITEM(o, i));
            Walked w = value(item);
            Py_DECREF(item);
            if (JT_UNLIKELY(w != Walked::ok)) return w;
        }
        --depth_;
        return Walked::ok;
    }

    Walked dict(PyObject* o) {
        Py_ssize_t n = PyDict_GET_SIZE(o);
        struct Pair {
            PyObject *key, *value;
        };
        Small<Pair, 64> pairs;
        if (!descend() || !pairs.reserve(size_t(n))) return Walked::error;
        Py_ssize_t at = 0;
        PyObject *k, *v;
        while (PyDict_Next(o, &at, &k, &v)) pairs.push(Pair{k, v});
        // held, as code run on the way may change the dict
        for (Pair& p : pairs) {
            Py_INCREF(p.key);
            Py_INCREF(p.value);
        }
        Walked w = dict_items(o, size_t(n), [&](size_t i) { return pairs[i].key; }, [&](size_t i) { return pairs[i].value; });
        for (Pair& p : pairs) {
            Py_DECREF(p.key);
            Py_DECREF(p.value);
        }
        --depth_;
        return w;
    }

    template <class Key, class Value>
    Walked dict_items(PyObject* o, size_t n, Key key, Value value_at) {
        size_t place = dicts_++;
        std::vector<DictOrder>& orders = jf_->cache->orders;
        bool known = place < orders.size() && orders[place].keys.size() == n && orders[place].tuple;
        for (size_t i = 0; known && i < n; ++i) known = orders[place].keys[i] == key(i);
        if (JT_UNLIKELY(!known)) {
            DictOrder fresh;
            switch (sort_keys(n, key, &fresh)) {
                case Walked::ok: break;
                case Walked::foreign: return custom(o);  // keys without an order
                case Walked::error: return Walked::error;
            }
            if (orders.size() <= place) orders.resize(place + 1);
            std::swap(orders[place], fresh);
            drop_order(fresh);
        }
        const DictOrder& order = orders[place];
        if (!word(t_dict, uint64_t(n)) || !object(order.tuple, order.hash)) return Walked::error;
        Small<int, 64> sorted;
        if (!sorted.resize(n)) return Walked::error;
        memcpy(sorted.data(), order.sorted.data(), n * sizeof(int));
        for (size_t i = 0; i < n; ++i) {
            Walked w = value(value_at(size_t(sorted[i])));
            if (JT_UNLIKELY(w != Walked::ok)) return w;
        }
        return Walked::ok;
    }

    template <class Key>
    JT_NOINLINE Walked sort_keys(size_t n, Key key, DictOrder* out) {
        Ref list(PyList_New(Py_ssize_t(n)));
        if (!list) return Walked::error;
        for (size_t i = 0; i < n; ++i) PyList_SET_ITEM(list.p, Py_ssize_t(i), Py_NewRef(key(i)));
        if (PyList_Sort(list.p) < 0) {
            if (!PyErr_ExceptionMatches(PyExc_TypeError)) return Walked::error;
            PyErr_Clear();
            return Walked::foreign;
        }
        Ref tuple(PyList_AsTuple(list.p));
        if (!tuple) return Walked::error;
        Py_hash_t hash = PyObject_Hash(tuple.p);
        if (hash == -1) return Walked::error;
        std::unordered_map<PyObject*, int> position;
        for (size_t i = 0; i < n; ++i) position[key(i)] = int(i);
        for (size_t i = 0; i < n; ++i) out->sorted.push_back(position[PyTuple_GET_ITEM(tuple.p, Py_ssize_t(i))]);
        for (size_t i = 0; i < n; ++i) out->keys.push_back(Py_NewRef(key(i)));
        out->tuple = tuple.release();
        out->hash = hash;
        return Walked::ok;
    }

    // Registered pytree classes, named tuples, dict subclasses: their leaves and a treedef, from Python.
    JT_NOINLINE Walked custom(PyObject* o) {
        if (!hook_flatten) return Walked::foreign;
        Ref r(PyObject_CallOneArg(hook_flatten, o));
        if (!r) return Walked::error;
        if (!PyTuple_Check(r.p) || PyTuple_GET_SIZE(r.p) != 2) {
            PyErr_SetString(PyExc_TypeError, "the \"flatten\" hook must return (leaves, treedef)");
            return Walked::error;
        }
        Ref items(PySequence_Tuple(PyTuple_GET_ITEM(r.p, 0)));
        if (!items) return Walked::error;
        Py_ssize_t n = PyTuple_GET_SIZE(items.p);
        if (n == 1 && PyTuple_GET_ITEM(items.p, 0) == o) return Walked::foreign;
        PyObject* treedef = PyTuple_GET_ITEM(r.p, 1);
        Py_hash_t hash = PyObject_Hash(treedef);
        if (hash == -1) return Walked::error;
        if (!word(t_custom, uint64_t(n)) || !object(treedef, hash)) return Walked::error;
        for (Py_ssize_t i = 0; i < n; ++i) {
            Walked w = leaf(PyTuple_GET_ITEM(items.p, i));
            if (w != Walked::ok) return w;
        }
        return Walked::ok;
    }
};

// `name` is the keyword, or null for the positional argument number `index`.
Walked static_value(Walk& walk, PyObject* o, PyObject* name, Py_ssize_t index) {
    Py_hash_t hash = PyObject_Hash(o);
    if (hash == -1) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) return Walked::error;
        PyErr_Clear();
        Ref which(name ? PyUnicode_FromFormat("argument %R", name) : PyUnicode_FromFormat("positional argument %zd", index));
        if (which)
            PyErr_Format(PyExc_ValueError,
                         "Non-hashable static arguments are used in a jit function: %U is of type %R, which cannot be "
                         "hashed. Static arguments are compared and hashed to find the compiled program; pass a "
                         "hashable value such as a tuple, or do not mark the argument as static.",
                         which.p, reinterpret_cast<PyObject*>(Py_TYPE(o)));
        return Walked::error;
    }
    hash = Py_hash_t(uint64_t(hash) * 3 + (reinterpret_cast<uintptr_t>(Py_TYPE(o)) >> 4));
    return walk.word(t_static, 0) && walk.object(o, hash) ? Walked::ok : Walked::error;
}

bool is_static_name(JitFunction* jf, PyObject* name) {
    for (Py_ssize_t i = 0, n = PyTuple_GET_SIZE(jf->static_names); i < n; ++i) {
        PyObject* s = PyTuple_GET_ITEM(jf->static_names, i);
        if (s == name || PyUnicode_Compare(s, name) == 0) return true;
    }
    return false;
}

bool is_static_num(JitFunction* jf, Py_ssize_t i, Py_ssize_t nargs) {
    for (long s : *jf->static_nums)
        if ((s < 0 ? s + nargs : s) == i) return true;
    return false;
}

Walked walk_keywords(JitFunction* jf, Walk& walk, PyObject* const* values, PyObject* kwnames) {
    Py_ssize_t n = PyTuple_GET_SIZE(kwnames);
    Small<int, 32> order;
    if (!order.resize(size_t(n))) return Walked::error;
    for (Py_ssize_t i = 0; i < n; ++i) {
        Py_ssize_t j = i;
        PyObject* name = PyTuple_GET_ITEM(kwnames, i);
        for (; j > 0 && PyUnicode_Compare(PyTuple_GET_ITEM(kwnames, order[size_t(j - 1)]), name) > 0; --j)
            order[size_t(j)] = order[size_t(j - 1)];
        order[size_t(j)] = int(i);
    }
    if (!walk.word(t_kwargs, uint64_t(n))) return Walked::error;
    for (int i : order) {
        PyObject* name = PyTuple_GET_ITEM(kwnames, i);
        Py_hash_t hash = PyObject_Hash(name);
        if (hash == -1 || !walk.object(name, hash)) return Walked::error;
        Walked w = jf->static_names && is_static_name(jf, name) ? static_value(walk, values[i], name, 0)
                                                                : walk.value(values[i]);
        if (w == Walked::error && PyErr_ExceptionMatches(PyExc_OverflowError)) return w;
        if (w != Walked::ok) return w;
    }
    return Walked::ok;
}

// An int too large for its type: say which argument it was.
void name_overflow(JitFunction* jf, PyObject* which) {
    if (!which || !PyErr_ExceptionMatches(PyExc_OverflowError)) return;
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    PyErr_Format(PyExc_OverflowError, "An overflow was encountered while parsing %U of the jitted function %R: %S", which,
                 jf->fun, value ? value : Py_None);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(tb);
}

Walked walk_arguments(JitFunction* jf, Walk& walk, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    if (!walk.words.push(uint64_t(config_key) << 1 | uint64_t(x64)) || !walk.word(t_tuple, uint64_t(nargs)))
        return Walked::error;
    for (Py_ssize_t i = 0; i < nargs; ++i) {
        Walked w = JT_UNLIKELY(jf->static_nums && is_static_num(jf, i, nargs))
                       ? static_value(walk, args[i], nullptr, i)
                       : walk.value(args[i]);
        if (JT_UNLIKELY(w != Walked::ok)) {
            if (w == Walked::error && PyErr_ExceptionMatches(PyExc_OverflowError)) {
                Ref which(PyUnicode_FromFormat("positional argument %zd", i));
                name_overflow(jf, which.p);
            }
            return w;
        }
    }
    if (kwnames && PyTuple_GET_SIZE(kwnames) > 0) {
        Walked w = walk_keywords(jf, walk, args + nargs, kwnames);
        if (w == Walked::error && PyErr_ExceptionMatches(PyExc_OverflowError)) {
            Ref which(PyUnicode_FromString("a keyword argument"));
            name_overflow(jf, which.p);
        }
        return w;
    }
    return Walked::ok;
}

// ---- looking up -------------------------------------------------------------------------------

uint64_t hash_key(Walk& walk) {
    uint64_t h = 0x9E3779B97F4A7C15ull ^ walk.words.size();
    auto mix = [&](uint64_t w) {
        h = (h ^ w) * 0xD6E8FEB86659FD93ull;
        h ^= h >> 32;
    };
    for (uint64_t w : walk.words) mix(w);
    for (KeyObject& k : walk.objects) mix(uint64_t(k.hash));
    return h;
}

// 1, 0 or -1 with an error. May run Python code where static values are compared.
int same_key(Entry* e, Walk& walk, uint64_t hash) {
    if (e->hash != hash || e->words.size() != walk.words.size() || e->objects.size() != walk.objects.size()) return 0;
    if (memcmp(e->words.data(), walk.words.data(), walk.words.size() * sizeof(uint64_t)) != 0) return 0;
    for (size_t i = 0; i < e->objects.size(); ++i) {
        PyObject *a = e->objects[i].obj, *b = walk.objects[i].obj;
        if (JT_LIKELY(a == b)) continue;
        if (e->objects[i].hash != walk.objects[i].hash || Py_TYPE(a) != Py_TYPE(b)) return 0;
        int same = PyObject_RichCompareBool(a, b, Py_EQ);
        if (same != 1) return same;
    }
    return 1;
}

// A new reference to the entry, or null (with or without an error).
Entry* find_entry(JitFunction* jf, Walk& walk, uint64_t hash) {
    Cache* c = jf->cache;
again:
    uint64_t version = c->version;
    Entry* first = c->last && c->last->hash == hash ? c->last : nullptr;
    for (int round = first ? 0 : 1; round < 2; ++round) {
        Entry* e = first;
        if (round == 1) {
            auto it = c->map.find(hash);
            e = it == c->map.end() ? nullptr : it->second;
        }
        while (e) {
            ++e->refs;
            int same = same_key(e, walk, hash);
            if (JT_LIKELY(same == 1)) {
                if (c->version == version) c->last = e;
                return e;
            }
            bool stale = c->version != version;  // an __eq__ called us, or cleared the cache
            Entry* next = e->next;
            drop_entry(e);
            if (same < 0) return nullptr;
            if (stale) goto again;
            e = round == 0 ? nullptr : next;
        }
    }
    return nullptr;
}

void clear_entries(Cache* c) {
    std::unordered_map<uint64_t, Entry*> map;
    map.swap(c->map);
    std::vector<DictOrder> orders;
    orders.swap(c->orders);
    c->last = nullptr;
    c->size = 0;
    ++c->version;
    for (auto& kv : map)
        for (Entry *e = kv.second, *next; e; e = next) {
            next = e->next;
            drop_entry(e);
        }
    for (DictOrder& o : orders) drop_order(o);
}

// ---- results ----------------------------------------------------------------------------------

bool parse_template(PyObject* t, std::vector<Entry::Node>& out, size_t n_leaves) {
    if (t == Py_None) {
        out.push_back({Entry::Node::none, 0, nullptr});
        return true;
    }
    if (PyLong_CheckExact(t)) {
        Py_ssize_t i = PyLong_AsSsize_t(t);
        if (i < 0 || size_t(i) >= n_leaves) {
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_IndexError, "the result template names a leaf that does not exist");
            return false;
        }
        out.push_back({Entry::Node::leaf, i, nullptr});
        return true;
    }
    if (PyTuple_CheckExact(t) || PyList_CheckExact(t)) {
        Py_ssize_t n = PySequence_Fast_GET_SIZE(t);
        out.push_back({PyTuple_CheckExact(t) ? Entry::Node::tuple : Entry::Node::list, n, nullptr});
        for (Py_ssize_t i = 0; i < n; ++i)
            if (!parse_template(PySequence_Fast_GET_ITEM(t, i), out, n_leaves)) return false;
        return true;
    }
    if (PyDict_CheckExact(t)) {
        PyObject* keys = PyTuple_New(PyDict_GET_SIZE(t));
        if (!keys) return false;
        out.push_back({Entry::Node::dict, PyDict_GET_SIZE(t), keys});
        Py_ssize_t at = 0, i = 0;
        PyObject *k, *v;
        while (PyDict_Next(t, &at, &k, &v)) PyTuple_SET_ITEM(keys, i++, Py_NewRef(k));
        for (i = 0; i < PyTuple_GET_SIZE(keys); ++i)
            if (!parse_template(PyDict_GetItemWithError(t, PyTuple_GET_ITEM(keys, i)), out, n_leaves)) return false;
        return true;
    }
    PyErr_Format(PyExc_TypeError, "a result template is made of tuples, lists, dicts, None and ints, not %.200s",
                 Py_TYPE(t)->tp_name);
    return false;
}

PyObject* build(const Entry::Node*& at, PyObject** results) {
    const Entry::Node& node = *at++;
    switch (node.kind) {
        case Entry::Node::leaf: return Py_NewRef(results[node.n]);
        case Entry::Node::none: return Py_NewRef(Py_None);
        case Entry::Node::tuple:
        case Entry::Node::list: {
            bool tuple = node.kind == Entry::Node::tuple;
            PyObject* seq = tuple ? PyTuple_New(node.n) : PyList_New(node.n);
            for (Py_ssize_t i = 0; seq && i < node.n; ++i) {
                PyObject* child = build(at, results);
                if (!child) {
                    Py_DECREF(seq);
                    return nullptr;
                }
                if (tuple)
                    PyTuple_SET_ITEM(seq, i, child);
                else
                    PyList_SET_ITEM(seq, i, child);
            }
            return seq;
        }
        case Entry::Node::dict: {
            PyObject* d = PyDict_New();
            for (Py_ssize_t i = 0; d && i < node.n; ++i) {
                Ref child(build(at, results));
                if (!child || PyDict_SetItem(d, PyTuple_GET_ITEM(node.keys, i), child.p) < 0) {
                    Py_DECREF(d);
                    return nullptr;
                }
            }
            return d;
        }
    }
    return nullptr;
}

// Consumes the references in `results`.
PyObject* assemble(Entry* e, PyObject** results, size_t n) {
    if (JT_LIKELY(e->tree.empty() && !e->builder)) return results[0];
    PyObject* out;
    if (e->builder) {
        Ref list(PyList_New(Py_ssize_t(n)));
        for (size_t i = 0; list && i < n; ++i) PyList_SET_ITEM(list.p, Py_ssize_t(i), Py_NewRef(results[i]));
        out = list ? PyObject_CallOneArg(e->builder, list.p) : nullptr;
    } else {
        const Entry::Node* at = e->tree.data();
        out = build(at, results);
    }
    for (size_t i = 0; i < n; ++i) Py_DECREF(results[i]);
    return out;
}

// A callable in the place of a program: it is given the leaves, and returns the results, or the Executable that is to take
// its place from now on.
JT_NOINLINE PyObject* run_callable(Entry* e, Walk& walk, Ref& program) {
    size_t n_leaves = walk.leaves.size();
    Ref list(PyList_New(Py_ssize_t(n_leaves)));
    if (!list) return nullptr;
    for (size_t i = 0; i < n_leaves; ++i) PyList_SET_ITEM(list.p, Py_ssize_t(i), Py_NewRef(walk.leaves[i].obj));
    Ref held(Py_NewRef(e->executable));
    Ref out(PyObject_CallOneArg(held.p, list.p));
    if (!out) return nullptr;
    if (Py_TYPE(out.p) == ExecutableType) {
        PyObject* old = e->executable;
        e->executable = Py_NewRef(out.p);
        Py_DECREF(old);
        program.p = out.release();
        return nullptr;
    }
    if (!PyList_CheckExact(out.p)) {
        PyErr_Format(PyExc_TypeError, "a callable program must return a list of its results, not %.200s", Py_TYPE(out.p)->tp_name);
        return nullptr;
    }
    size_t n = size_t(PyList_GET_SIZE(out.p));
    if (e->tree.empty() && !e->builder && n != 1) {
        PyErr_SetString(PyExc_TypeError, "a callable program must return as many results as it says");
        return nullptr;
    }
    for (const Entry::Node& node : e->tree)
        if (node.kind == Entry::Node::leaf && size_t(node.n) >= n) {
            PyErr_SetString(PyExc_TypeError, "a callable program must return as many results as it says");
            return nullptr;
        }
    Small<PyObject*, 16> results;
    if (!results.resize(n)) return nullptr;
    for (size_t i = 0; i < n; ++i) results[i] = Py_NewRef(PyList_GET_ITEM(out.p, Py_ssize_t(i)));
    return assemble(e, results.data(), n);
}

PyObject* run_entry(Entry* e, Walk& walk) {
    Ref exe(nullptr);
    if (JT_UNLIKELY(Py_TYPE(e->executable) != ExecutableType)) {
        PyObject* r = run_callable(e, walk, exe);
        if (!exe) return r;
    } else {
        exe.p = Py_NewRef(e->executable);
    }
    Program* program = reinterpret_cast<Executable*>(exe.p)->program;
    if (JT_UNLIKELY(!program)) {
        PyErr_SetString(PyExc_RuntimeError, "this executable has been cleared");
        return nullptr;
    }
    size_t n = program->outs.size();
    Small<PyObject*, 16> results;
    if (!results.resize(n)) return nullptr;
    if (JT_UNLIKELY(run_program(program, walk.leaves.data(), walk.leaves.size(), results.data()) < 0)) return nullptr;
    return assemble(e, results.data(), n);
}

// ---- calling ----------------------------------------------------------------------------------

bool pack_arguments(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, Ref& tuple, Ref& dict) {
    tuple.p = PyTuple_New(nargs);
    dict.p = PyDict_New();
    if (!tuple || !dict) return false;
    for (Py_ssize_t i = 0; i < nargs; ++i) PyTuple_SET_ITEM(tuple.p, i, Py_NewRef(args[i]));
    for (Py_ssize_t i = 0, n = kwnames ? PyTuple_GET_SIZE(kwnames) : 0; i < n; ++i)
        if (PyDict_SetItem(dict.p, PyTuple_GET_ITEM(kwnames, i), args[nargs + i]) < 0) return false;
    return true;
}

PyObject* call_with(PyObject* hook, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    Ref tuple, dict, held(Py_NewRef(hook));
    if (!pack_arguments(args, nargs, kwnames, tuple, dict)) return nullptr;
    PyObject* pair[] = {nullptr, tuple.p, dict.p};
    return PyObject_Vectorcall(hook, pair + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
}

Entry* make_entry(Walk& walk, uint64_t hash, PyObject* exe, PyObject* builder) {
    size_t n_out = 0;
    if (Py_TYPE(exe) == ExecutableType) {
        Program* p = reinterpret_cast<Executable*>(exe)->program;
        n_out = p ? p->outs.size() : 0;
    } else if (PyCallable_Check(exe)) {
        Ref count(PyObject_GetAttrString(exe, "n_outputs"));
        Py_ssize_t n = count ? PyLong_AsSsize_t(count.p) : -1;
        if (PyErr_Occurred()) return nullptr;
        n_out = n > 0 ? size_t(n) : 0;
    } else {
        PyErr_Format(PyExc_TypeError, "on_miss must return (Executable, builder), not a tuple with %.200s",
                     Py_TYPE(exe)->tp_name);
        return nullptr;
    }
    Entry* e = new Entry;
    e->hash = hash;
    e->executable = Py_NewRef(exe);
    e->words.assign(walk.words.begin(), walk.words.end());
    e->objects.assign(walk.objects.begin(), walk.objects.end());
    for (KeyObject& k : e->objects) Py_INCREF(k.obj);
    bool ok = true;
    if (builder == Py_None) {
        ok = n_out <= 1;
        if (n_out == 0) e->tree.push_back({Entry::Node::none, 0, nullptr});  // a function that returns None
        if (!ok) PyErr_SetString(PyExc_TypeError, "a program of several outputs needs a template for its result");
    } else if (PyCallable_Check(builder)) {
        e->builder = Py_NewRef(builder);
    } else {
        ok = parse_template(builder, e->tree, n_out);
    }
    if (ok) return e;
    drop_entry(e);
    return nullptr;
}

JT_NOINLINE PyObject* miss(JitFunction* jf, Walk& walk, uint64_t hash, PyObject* const* args, Py_ssize_t nargs,
                           PyObject* kwnames) {
    Ref made(call_with(jf->on_miss, args, nargs, kwnames));
    if (!made) return nullptr;
    if (made.p == Py_NotImplemented) return call_with(jf->on_trace, args, nargs, kwnames);
    if (!PyTuple_Check(made.p) || PyTuple_GET_SIZE(made.p) != 2) {
        PyErr_Format(PyExc_TypeError, "on_miss must return (Executable, builder) or NotImplemented, not %.200s",
                     Py_TYPE(made.p)->tp_name);
        return nullptr;
    }
    Entry* e = find_entry(jf, walk, hash);  // another thread may have been faster
    if (!e) {
        if (PyErr_Occurred()) return nullptr;
        e = make_entry(walk, hash, PyTuple_GET_ITEM(made.p, 0), PyTuple_GET_ITEM(made.p, 1));
        if (!e) return nullptr;
        Cache* c = jf->cache;
        Entry*& head = c->map[hash];
        e->next = head;
        head = e;
        ++e->refs;
        ++c->size;
        ++c->version;
        c->last = e;
    }
    PyObject* r = run_entry(e, walk);
    drop_entry(e);
    return r;
}

PyObject* jit_call_inner(JitFunction* jf, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    if (JT_UNLIKELY(current_trace != nullptr)) return call_with(jf->on_trace, args, nargs, kwnames);
    Walk walk(jf);
    switch (walk_arguments(jf, walk, args, nargs, kwnames)) {
        case Walked::ok: break;
        case Walked::foreign: return call_with(jf->on_trace, args, nargs, kwnames);
        case Walked::error: return nullptr;
    }
    uint64_t hash = hash_key(walk);
    Entry* e = find_entry(jf, walk, hash);
    if (JT_UNLIKELY(!e)) return PyErr_Occurred() ? nullptr : miss(jf, walk, hash, args, nargs, kwnames);
    PyObject* r = run_entry(e, walk);
    drop_entry(e);
    return r;
}

PyObject* jit_call(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
    Py_INCREF(self);  // the caller's reference may go away while the GIL is released
    PyObject* r = nullptr;
    if (JT_UNLIKELY(Py_EnterRecursiveCall(" while calling a compiled function") == 0)) {
        r = jit_call_inner(as_jit(self), args, PyVectorcall_NARGS(nargsf), kwnames);
        Py_LeaveRecursiveCall();
    }
    if (JT_UNLIKELY(!r)) filter_current_error();
    Py_DECREF(self);
    return r;
}

// ---- the Python type --------------------------------------------------------------------------

PyObject* jit_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    static const char* names[] = {"fun", "on_miss", "on_trace", "static_argnums", "static_argnames", nullptr};
    PyObject *fun, *on_miss, *on_trace, *nums = nullptr, *static_names = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO|O!O!", const_cast<char**>(names), &fun, &on_miss, &on_trace,
                                     &PyTuple_Type, &nums, &PyTuple_Type, &static_names))
        return nullptr;
    for (PyObject* f : {fun, on_miss, on_trace})
        if (!PyCallable_Check(f)) {
            PyErr_Format(PyExc_TypeError, "Expected a callable value, got %.200s", Py_TYPE(f)->tp_name);
            return nullptr;
        }
    JitFunction* jf = as_jit(type->tp_alloc(type, 0));
    if (!jf) return nullptr;
    Ref self(reinterpret_cast<PyObject*>(jf));
    jf->vectorcall = jit_call;
    jf->fun = Py_NewRef(fun);
    jf->on_miss = Py_NewRef(on_miss);
    jf->on_trace = Py_NewRef(on_trace);
    jf->cache = new Cache;
    if (nums && PyTuple_GET_SIZE(nums) > 0) {
        jf->static_nums = new std::vector<long>;
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(nums); ++i) {
            long v = PyLong_AsLong(PyTuple_GET_ITEM(nums, i));
            if (v == -1 && PyErr_Occurred()) return nullptr;
            jf->static_nums->push_back(v);
        }
    }
    if (static_names && PyTuple_GET_SIZE(static_names) > 0) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(static_names); ++i)
            if (!PyUnicode_Check(PyTuple_GET_ITEM(static_names, i))) {
                PyErr_SetString(PyExc_TypeError, "static_argnames must be strings");
                return nullptr;
            }
        jf->static_names = Py_NewRef(static_names);
    }
    if (adopt_metadata(&jf->dict, fun) < 0) return nullptr;
    return self.release();
}

int jit_traverse(PyObject* self, visitproc visit, void* arg) {
    JitFunction* jf = as_jit(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(jf->fun);
    Py_VISIT(jf->on_miss);
    Py_VISIT(jf->on_trace);
    Py_VISIT(jf->static_names);
    Py_VISIT(jf->dict);
    if (!jf->cache) return 0;
    for (auto& kv : jf->cache->map)
        for (Entry* e = kv.second; e; e = e->next) {
            if (e->refs != 1) continue;  // also owned by a running call, which no collector can see
            for (KeyObject& k : e->objects) Py_VISIT(k.obj);
            Py_VISIT(e->executable);
            Py_VISIT(e->builder);
        }
    return 0;
}

int jit_clear(PyObject* self) {
    JitFunction* jf = as_jit(self);
    if (jf->cache) clear_entries(jf->cache);
    // calls may still come in from a finalizer of the same cycle: leave callables behind that return None
    for (PyObject** slot : {&jf->fun, &jf->on_miss, &jf->on_trace}) {
        PyObject* old = *slot;
        *slot = Py_NewRef(Py_None);
        Py_XDECREF(old);
    }
    Py_CLEAR(jf->static_names);
    Py_CLEAR(jf->dict);
    return 0;
}

void jit_dealloc(PyObject* self) {
    JitFunction* jf = as_jit(self);
    PyObject_GC_UnTrack(self);
    if (jf->weakrefs) PyObject_ClearWeakRefs(self);
    jit_clear(self);
    delete jf->cache;
    delete jf->static_nums;
    Py_CLEAR(jf->fun);
    Py_CLEAR(jf->on_miss);
    Py_CLEAR(jf->on_trace);
    PyTypeObject* t = Py_TYPE(self);
    t->tp_free(self);
    Py_DECREF(t);
}

PyObject* jit_repr(PyObject* self) { return PyUnicode_FromFormat("<JitFunction of %R>", as_jit(self)->fun); }
PyObject* jit_cache_size(PyObject* self, PyObject*) { return PyLong_FromSize_t(as_jit(self)->cache->size); }
PyObject* jit_clear_cache(PyObject* self, PyObject*) {
    clear_entries(as_jit(self)->cache);
    Py_RETURN_NONE;
}

PyMemberDef jit_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(JitFunction, vectorcall), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(JitFunction, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(JitFunction, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};
PyGetSetDef jit_getset[] = {{"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef jit_methods[] = {
    {"_cache_size", jit_cache_size, METH_NOARGS, "_cache_size($self, /)\n--\n\nThe number of compiled specialisations."},
    {"clear_cache", jit_clear_cache, METH_NOARGS, "clear_cache($self, /)\n--\n\nForgets all compiled specialisations."},
    {"__reduce__", reduce_by_name, METH_NOARGS, nullptr},
    {"__copy__", copy_itself, METH_NOARGS, nullptr},
    {"__deepcopy__", copy_itself, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr}};
PyType_Slot jit_slots[] = {
    {Py_tp_doc, const_cast<char*>("A function that runs as compiled programs, one for each kind of arguments.")},
    {Py_tp_new, reinterpret_cast<void*>(jit_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(jit_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(jit_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(jit_clear)},
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_descr_get, reinterpret_cast<void*>(bind_method)},
    {Py_tp_repr, reinterpret_cast<void*>(jit_repr)},
    {Py_tp_members, jit_members},
    {Py_tp_getset, jit_getset},
    {Py_tp_methods, jit_methods},
    {0, nullptr}};
PyType_Spec jit_spec = {"jitney._ext.JitFunction", sizeof(JitFunction), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                            Py_TPFLAGS_METHOD_DESCRIPTOR,
                        jit_slots};

PyObject* set_config_key(PyObject*, PyObject* value) {
    long long v = PyLong_AsLongLong(value);
    if (v == -1 && PyErr_Occurred()) return nullptr;
    int64_t old = config_key;
    config_key = v;
    return PyLong_FromLongLong(old);
}

PyObject* set_x64(PyObject*, PyObject* value) {
    int v = PyObject_IsTrue(value);
    if (v < 0) return nullptr;
    bool old = x64;
    x64 = v;
    return PyBool_FromLong(old);
}

}  // namespace

PyMethodDef dispatch_functions[] = {
    {"config_key", set_config_key, METH_O,
     "config_key(key)\n--\n\nSets the number that is part of every dispatch key; returns the previous one."},
    {"set_x64", set_x64, METH_O, "set_x64(enabled)\n--\n\n64-bit mode on or off; returns the previous mode."},
    {nullptr, nullptr, 0, nullptr}};

int init_dispatch(PyObject* module) {
    Ref type(PyType_FromSpec(&jit_spec));
    return type ? PyModule_AddObjectRef(module, "JitFunction", type.p) : -1;
}

}  // namespace jt
