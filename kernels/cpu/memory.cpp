// build: once
// Memory of the host: aligned blocks, mapped files, plain copies.
#include "memory.h"

#include <cstdlib>
#include <cstring>

#include "../include/remora.h"
#if defined(_WIN32)
#include <malloc.h>
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace remora {
namespace {
constexpr int64_t HUGE_PAGE = int64_t{2} << 20;
constexpr int64_t LARGEST = int64_t{1} << 46;  // beyond any machine; keeps the rounding below from overflowing
}  // namespace

void *allocate_aligned(int64_t bytes) {
  if (bytes < 0 || bytes > LARGEST) return nullptr;
  const int64_t alignment = bytes >= HUGE_PAGE ? HUGE_PAGE : 64;
  const int64_t rounded = bytes == 0 ? alignment : (bytes + alignment - 1) / alignment * alignment;
#if defined(_WIN32)
  return _aligned_malloc(static_cast<size_t>(rounded), static_cast<size_t>(alignment));
#else
  void *memory = nullptr;
  if (posix_memalign(&memory, static_cast<size_t>(alignment), static_cast<size_t>(rounded)) != 0) return nullptr;
#if defined(MADV_HUGEPAGE)
  if (alignment == HUGE_PAGE) madvise(memory, static_cast<size_t>(rounded), MADV_HUGEPAGE);  // advice: refusal is fine
#endif
  return memory;
#endif
}

void release_aligned(void *memory) {
#if defined(_WIN32)
  _aligned_free(memory);
#else
  std::free(memory);
#endif
}

}  // namespace remora

extern "C" {

void *remora_allocate(int64_t bytes) { return remora::allocate_aligned(bytes); }

void remora_release(void *memory, int64_t) { remora::release_aligned(memory); }

void remora_copy(void *target, const void *source, int64_t bytes) {
  if (bytes > 0) std::memmove(target, source, static_cast<size_t>(bytes));
}

void remora_fill_zero(void *target, int64_t bytes) {
  if (bytes > 0) std::memset(target, 0, static_cast<size_t>(bytes));
}

#if defined(_WIN32)

int32_t remora_file_map(const char *path, void **address, int64_t *bytes) {
  if (path == nullptr || address == nullptr || bytes == nullptr) return REMORA_STATUS_ARGUMENT;
  wchar_t wide[32768];
  if (MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, 32768) == 0) return REMORA_STATUS_IO;
  HANDLE file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) return REMORA_STATUS_IO;
  LARGE_INTEGER size;
  int32_t status = REMORA_STATUS_IO;
  if (GetFileSizeEx(file, &size) && size.QuadPart > 0) {
    HANDLE mapping = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
    if (mapping != nullptr) {
      void *view = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0);
      CloseHandle(mapping);  // the view keeps the mapping alive
      if (view != nullptr) {
        *address = view;
        *bytes = size.QuadPart;
        status = REMORA_OK;
      }
    }
  }
  CloseHandle(file);
  return status;
}

void remora_file_unmap(void *address, int64_t) {
  if (address != nullptr) UnmapViewOfFile(address);
}

void remora_file_advise(const void *, int64_t, int32_t) {}

#else

int32_t remora_file_map(const char *path, void **address, int64_t *bytes) {
  if (path == nullptr || address == nullptr || bytes == nullptr) return REMORA_STATUS_ARGUMENT;
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return REMORA_STATUS_IO;
  struct stat info;
  int32_t status = REMORA_STATUS_IO;
  if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
    void *view = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_SHARED, file, 0);
    if (view != MAP_FAILED) {
      *address = view;
      *bytes = static_cast<int64_t>(info.st_size);
      status = REMORA_OK;
    }
  }
  close(file);  // the mapping stays
  return status;
}

void remora_file_unmap(void *address, int64_t bytes) {
  if (address != nullptr && bytes > 0) munmap(address, static_cast<size_t>(bytes));
}

void remora_file_advise(const void *address, int64_t bytes, int32_t needed) {
  if (address == nullptr || bytes <= 0) return;
  // Whole pages: those that hold any of it when it is needed, those that hold nothing else when it is not.
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE)), start = reinterpret_cast<uintptr_t>(address);
  const uintptr_t end = start + static_cast<uintptr_t>(bytes);
  const uintptr_t from = needed != 0 ? start / page * page : (start + page - 1) / page * page, to = needed != 0 ? end : end / page * page;
  if (from < to) madvise(reinterpret_cast<void *>(from), to - from, needed != 0 ? MADV_WILLNEED : MADV_DONTNEED);
}

#endif

}  // extern "C"
