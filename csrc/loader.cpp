// Object code -> callable memory: a linker for what our emitter makes, and the identity of this CPU.
// Begin with load_object.  Files come from a disk cache: every offset is checked before it is used.
#include <nanobind/nanobind.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "jitney.h"

#if defined(__linux__) && defined(__x86_64__)
#define JT_LOADS_OBJECTS 1
#include <cpuid.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace nb = nanobind;

namespace jt {

namespace {

// Memory that holds a program's code and constants, read-only and executable.
struct LoadedCode {
    char* memory = nullptr;
    size_t size = 0;
    uint64_t address = 0;

    LoadedCode() = default;
    LoadedCode(const LoadedCode&) = delete;
    LoadedCode& operator=(const LoadedCode&) = delete;
    ~LoadedCode() {
#ifdef JT_LOADS_OBJECTS
        if (memory) munmap(memory, size);
#endif
    }
};

#ifdef JT_LOADS_OBJECTS

// An ELF object of x86-64 with code and constants, whose outside symbols are reached through stubs and slots.
class Linker {
   public:
    Linker(const char* image, size_t size, const char* entry, const nb::callable& resolve)
        : image_(image), size_(size), entry_(entry), resolve_(resolve) {}

    // Null for an object of another kind, or with anything that this linker does not know.
    LoadedCode* load() {
        if (!read_header() || !place_sections() || !read_symbols()) return nullptr;
        auto* code = new LoadedCode;
        bool ok = false;
        try {
            ok = map(code) && relocate_all() && protect(code);
        } catch (...) {
            delete code;
            throw;
        }
        if (!ok) {
            delete code;
            return nullptr;
        }
        return code;
    }

   private:
    static constexpr size_t kStub = 16;  // jmp *slot(%rip), padded
    static constexpr size_t kMaxSize = size_t(1) << 30;

    bool inside(uint64_t offset, uint64_t size) const { return offset <= size_ && size <= size_ - offset; }

    template <class T>
    bool table(const Elf64_Shdr& s, std::vector<T>* out) const {
        if (s.sh_entsize != sizeof(T) || !inside(s.sh_offset, s.sh_size)) return false;
        out->resize(s.sh_size / sizeof(T));
        if (!out->empty()) memcpy(out->data(), image_ + s.sh_offset, out->size() * sizeof(T));
        return true;
    }

    bool read_header() {
        Elf64_Ehdr h;
        if (size_ < sizeof h) return false;
        memcpy(&h, image_, sizeof h);
        if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64 ||
            h.e_ident[EI_DATA] != ELFDATA2LSB || h.e_type != ET_REL || h.e_machine != EM_X86_64 ||
            h.e_shentsize != sizeof(Elf64_Shdr) || !inside(h.e_shoff, uint64_t(h.e_shnum) * sizeof(Elf64_Shdr)))
            return false;
        sections_.resize(h.e_shnum);
        if (h.e_shnum) memcpy(sections_.data(), image_ + h.e_shoff, h.e_shnum * sizeof(Elf64_Shdr));
        return true;
    }

    bool place_sections() {
        place_.assign(sections_.size(), kNowhere);
        size_t at = 0;
        for (size_t i = 0; i < sections_.size(); ++i) {
            const Elf64_Shdr& s = sections_[i];
            if (!(s.sh_flags & SHF_ALLOC) || !s.sh_size) continue;
            size_t align = s.sh_addralign ? s.sh_addralign : 1;
            if (s.sh_type != SHT_PROGBITS || (s.sh_flags & (SHF_WRITE | SHF_TLS)) || !inside(s.sh_offset, s.sh_size) ||
                (align & (align - 1)) || align > 4096)
                return false;
            at = (at + align - 1) & ~(align - 1);
            place_[i] = at;
            at += s.sh_size;
            if (at > kMaxSize) return false;
        }
        content_ = (at + 15) & ~size_t(15);
        return true;
    }

    bool name_of(const Elf64_Shdr& strings, uint32_t offset, const char** name) const {
        if (offset >= strings.sh_size || !inside(strings.sh_offset, strings.sh_size)) return false;
        *name = image_ + strings.sh_offset + offset;
        return memchr(*name, 0, strings.sh_size - offset) != nullptr;
    }

    bool read_symbols() {
        const Elf64_Shdr* found = nullptr;
        for (const Elf64_Shdr& s : sections_)
            if (s.sh_type == SHT_SYMTAB) found = &s;
        if (!found || found->sh_link >= sections_.size() || !table(*found, &symbols_)) return false;
        const Elf64_Shdr& strings = sections_[found->sh_link];
        outside_.assign(symbols_.size(), kNowhere);
        entry_symbol_ = symbols_.size();
        for (size_t i = 1; i < symbols_.size(); ++i) {
            const Elf64_Sym& s = symbols_[i];
            const char* name;
            if (!name_of(strings, s.st_name, &name)) return false;
            if (ELF64_ST_TYPE(s.st_info) == STT_TLS || ELF64_ST_TYPE(s.st_info) == STT_GNU_IFUNC) return false;
            if (s.st_shndx == SHN_UNDEF) {
                outside_[i] = slots_.size();
                slots_.push_back(nb::cast<uint64_t>(resolve_(name)));
            } else if (s.st_shndx >= SHN_LORESERVE && s.st_shndx != SHN_ABS) {
                return false;
            } else if (!strcmp(entry_, name)) {
                entry_symbol_ = i;
            }
        }
        return entry_symbol_ < symbols_.size() && inside_section(symbols_[entry_symbol_]);
    }

    bool inside_section(const Elf64_Sym& s) const {
        return s.st_shndx < sections_.size() && place_[s.st_shndx] != kNowhere &&
               s.st_value < sections_[s.st_shndx].sh_size;
    }

    bool map(LoadedCode* code) {
        size_t page = size_t(sysconf(_SC_PAGESIZE));
        size_t total = content_ + slots_.size() * (kStub + sizeof(uint64_t));
        code->size = (total + page - 1) & ~(page - 1);
        if (!code->size) return false;
        void* memory = mmap(nullptr, code->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return false;
        base_ = code->memory = static_cast<char*>(memory);
        for (size_t i = 0; i < sections_.size(); ++i)
            if (place_[i] != kNowhere) memcpy(base_ + place_[i], image_ + sections_[i].sh_offset, sections_[i].sh_size);
        for (size_t i = 0; i < slots_.size(); ++i) {
            memcpy(slot(i), &slots_[i], sizeof slots_[i]);
            char* stub = stub_of(i);
            int32_t distance = int32_t(slot(i) - (stub + 6));
            memcpy(stub, "\xff\x25", 2);
            memcpy(stub + 2, &distance, sizeof distance);
        }
        const Elf64_Sym& entry = symbols_[entry_symbol_];
        code->address = reinterpret_cast<uint64_t>(base_ + place_[entry.st_shndx] + entry.st_value);
        return true;
    }

    char* stub_of(size_t i) const { return base_ + content_ + i * kStub; }
    char* slot(size_t i) const { return base_ + content_ + slots_.size() * kStub + i * sizeof(uint64_t); }

    bool relocate_all() {
        std::vector<Elf64_Rela> entries;
        for (const Elf64_Shdr& s : sections_) {
            if (s.sh_type == SHT_REL) return false;
            if (s.sh_type != SHT_RELA) continue;
            if (s.sh_info >= sections_.size()) return false;
            if (place_[s.sh_info] == kNowhere) continue;  // debugging information and the like
            if (!table(s, &entries)) return false;
            for (const Elf64_Rela& r : entries)
                if (!relocate(sections_[s.sh_info], base_ + place_[s.sh_info], r)) return false;
        }
        return true;
    }

    bool relocate(const Elf64_Shdr& section, char* start, const Elf64_Rela& r) {
        const uint64_t number = ELF64_R_SYM(r.r_info), kind = ELF64_R_TYPE(r.r_info);
        const size_t width = kind == R_X86_64_64 || kind == R_X86_64_PC64 ? 8 : 4;
        if (kind == R_X86_64_NONE) return true;
        if (number >= symbols_.size() || r.r_offset > section.sh_size || width > section.sh_size - r.r_offset) return false;
        const bool outside = outside_[number] != kNowhere;
        char* place = start + r.r_offset;
        uint64_t target;
        switch (kind) {
            case R_X86_64_64:
            case R_X86_64_PC64:
            case R_X86_64_PC32:
                if (!address_of(number, &target)) return false;
                break;
            case R_X86_64_PLT32:
                if (outside)
                    target = reinterpret_cast<uint64_t>(stub_of(outside_[number]));
                else if (!address_of(number, &target))
                    return false;
                break;
            case R_X86_64_GOTPCREL:
            case R_X86_64_GOTPCRELX:
            case R_X86_64_REX_GOTPCRELX:
                if (!outside) return false;
                target = reinterpret_cast<uint64_t>(slot(outside_[number]));
                break;
            default: return false;
        }
        target += uint64_t(r.r_addend);
        if (kind != R_X86_64_64) target -= reinterpret_cast<uint64_t>(place);
        if (width == 4) {
            int32_t small = int32_t(int64_t(target));
            if (int64_t(target) != small) return false;
            memcpy(place, &small, sizeof small);
        } else {
            memcpy(place, &target, sizeof target);
        }
        return true;
    }

    bool address_of(uint64_t number, uint64_t* address) const {
        const Elf64_Sym& s = symbols_[number];
        if (outside_[number] != kNowhere)
            *address = slots_[outside_[number]];
        else if (s.st_shndx == SHN_ABS)
            *address = s.st_value;
        else if (s.st_shndx < sections_.size() && place_[s.st_shndx] != kNowhere)
            *address = reinterpret_cast<uint64_t>(base_ + place_[s.st_shndx] + s.st_value);
        else
            return false;
        return true;
    }

    bool protect(LoadedCode* code) { return mprotect(code->memory, code->size, PROT_READ | PROT_EXEC) == 0; }

    static constexpr size_t kNowhere = size_t(-1);

    const char* image_;
    size_t size_;
    const char* entry_;
    const nb::callable& resolve_;
    std::vector<Elf64_Shdr> sections_;
    std::vector<Elf64_Sym> symbols_;
    std::vector<size_t> place_;     // of each section in the memory
    std::vector<size_t> outside_;   // of each symbol: which slot
    std::vector<uint64_t> slots_;   // addresses of outside symbols
    size_t content_ = 0, entry_symbol_ = 0;
    char* base_ = nullptr;
};

#endif

nb::object load_object(nb::bytes image, const char* entry, nb::callable resolve) {
#ifdef JT_LOADS_OBJECTS
    if (LoadedCode* code = Linker(image.c_str(), image.size(), entry, resolve).load())
        return nb::cast(code, nb::rv_policy::take_ownership);
#endif
    return nb::none();
}

// What the CPU says of itself and of its instructions, the system's part (XCR0) included; empty on other CPUs.
nb::bytes cpu_identity() {
    std::vector<uint32_t> words;
#ifdef JT_LOADS_OBJECTS
    const uint32_t leaves[][2] = {{0, 0}, {1, 0}, {7, 0}, {7, 1}, {7, 2}, {13, 1}, {0x14, 0}, {0x19, 0}, {0x24, 0},
                                  {0x80000001, 0}, {0x80000008, 0}};
    bool saves = false;
    for (const auto& leaf : leaves) {
        uint32_t a = 0, b = 0, c = 0, d = 0;
        if (!__get_cpuid_count(leaf[0], leaf[1], &a, &b, &c, &d)) continue;
        if (leaf[0] == 1) {
            b = 0;  // which core this is
            saves = c & (1u << 27);
        }
        if (leaf[0] == 0x80000008) a = c = d = 0;  // sizes of addresses and numbers of cores
        if (leaf[0] == 13) b = c = d = 0;          // sizes of what is saved just now
        for (uint32_t x : {leaf[0], leaf[1], a, b, c, d}) words.push_back(x);
    }
    if (saves) {
        uint32_t low, high;
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        words.push_back(low);
        words.push_back(high);
    }
#endif
    return nb::bytes(reinterpret_cast<const char*>(words.data()), words.size() * sizeof(uint32_t));
}

}  // namespace

void init_loader(nb::module_& m) {
    nb::class_<LoadedCode>(m, "LoadedCode", "Machine code in memory, given back when this object dies.")
        .def_ro("address", &LoadedCode::address, "Where the entry is.");
    m.def("load_object", &load_object, nb::arg("image"), nb::arg("entry"), nb::arg("resolve"),
          "Links an object file; ``resolve(name)`` gives addresses of outside symbols. None for kinds of objects "
          "that it does not know.");
    m.def("cpu_identity", &cpu_identity, "Bytes that differ between CPUs that want different code; empty if unknown.");
}

}  // namespace jt
