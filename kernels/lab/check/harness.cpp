#include "harness.h"
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace check {
static std::string only;
static int failures, cases;
static uint64_t random_state = 0x243f6a8885a308d3ull;
bool benchmarking = false;
static std::vector<std::string> timings;

double get(const void *array, int64_t i, int dtype) {
  uint32_t u;
  float f;
  switch (dtype) {
    case F32: return static_cast<const float *>(array)[i];
    case F64: return static_cast<const double *>(array)[i];
    case I32: return static_cast<const int32_t *>(array)[i];
    case U8: return static_cast<const uint8_t *>(array)[i];
    case BF16:
      u = static_cast<uint32_t>(static_cast<const uint16_t *>(array)[i]) << 16;
      std::memcpy(&f, &u, 4);
      return f;
    default: {
      _Float16 h;
      std::memcpy(&h, static_cast<const uint16_t *>(array) + i, 2);
      return static_cast<double>(h);
    }
  }
}
void put(void *array, int64_t i, int dtype, double value) {
  const float f = static_cast<float>(value);
  uint32_t u;
  std::memcpy(&u, &f, 4);
  switch (dtype) {
    case F32: static_cast<float *>(array)[i] = f; break;
    case F64: static_cast<double *>(array)[i] = value; break;
    case I32: static_cast<int32_t *>(array)[i] = static_cast<int32_t>(value); break;
    case U8: static_cast<uint8_t *>(array)[i] = static_cast<uint8_t>(value); break;
    case BF16: static_cast<uint16_t *>(array)[i] = static_cast<uint16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16); break;
    default: {
      const _Float16 h = static_cast<_Float16>(f);
      std::memcpy(static_cast<uint16_t *>(array) + i, &h, 2);
    }
  }
}

Array::Array(int dtype, int64_t count) : dtype(dtype), count(count), host(count * bytes_of(dtype) + 16, 0xff) {
  host.resize(count * bytes_of(dtype));
  memory = static_cast<uint8_t *>(device_allocate(host.size() + 512));
  device_fill(memory, 0xc5, host.size() + 512);
}
Array::~Array() {
  if (memory) device_release(memory);
}
Array::Array(Array &&o) noexcept : dtype(o.dtype), count(o.count), host(std::move(o.host)), memory(o.memory) { o.memory = nullptr; }
Array &Array::operator=(Array &&o) noexcept {
  std::swap(dtype, o.dtype);
  std::swap(count, o.count);
  std::swap(host, o.host);
  std::swap(memory, o.memory);
  return *this;
}
void Array::push() { device_write(memory + 256, host.data(), host.size()); }
void Array::poison() { device_fill(memory + 256, 0xff, host.size()); }
void Array::pull() {
  uint8_t guard[512];
  device_read(guard, memory, 256);
  device_read(guard + 256, memory + 256 + host.size(), 256);
  for (int i = 0; i < 512; i++) {
    if (guard[i] != 0xc5) {
      std::fprintf(stderr, "FAILED: a kernel wrote %s an array of %lld elements\n", i < 256 ? "before" : "past the end of", static_cast<long long>(count));
      std::exit(1);
    }
  }
  device_read(host.data(), memory + 256, host.size());
}

uint64_t next_random() {
  uint64_t z = random_state += 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}
double uniform(double low, double high) { return low + (high - low) * static_cast<double>(next_random() >> 11) / 9007199254740992.0; }
double normal() { return std::sqrt(-2 * std::log(1 - uniform(0, 1))) * std::cos(6.283185307179586 * uniform(0, 1)); }
Array random_array(int dtype, int64_t count, double deviation) {
  Array a(dtype, count);
  // large arrays repeat a block of 2^20 + 7 draws: timing needs random bits, not fresh ones
  const int64_t fresh = std::min<int64_t>(count, (1 << 20) + 7);
  for (int64_t i = 0; i < fresh; i++) put(a.ptr(), i, dtype, deviation * normal());
  const int64_t unit = static_cast<int64_t>(bytes_of(dtype));
  for (int64_t i = fresh; i < count; i += fresh) std::memcpy(a.host.data() + i * unit, a.host.data(), std::min(fresh, count - i) * unit);
  a.push();
  return a;
}
Array uniform_array(int dtype, int64_t count, double low, double high) {
  Array a(dtype, count);
  for (int64_t i = 0; i < count; i++) put(a.ptr(), i, dtype, uniform(low, high));
  a.push();
  return a;
}
Array int_array(const std::vector<int32_t> &values) {
  Array a(I32, static_cast<int64_t>(values.size()));
  std::memcpy(a.host.data(), values.data(), values.size() * 4);
  a.push();
  return a;
}
Array byte_array(int64_t count) {
  Array a(U8, count);
  for (auto &b : a.host) b = static_cast<uint8_t>(next_random() >> 40);
  a.push();
  return a;
}

bool selected(const std::string &name) { return only.empty() || name.find(only) != std::string::npos; }
void report(const std::string &name, bool good, const std::string &detail) {
  cases++;
  if (!good) failures++;
  std::printf("%s %-58s %s\n", good ? "ok  " : "FAIL", name.c_str(), detail.c_str());
  std::fflush(stdout);
}
double tolerance_of(int dtype, double f32, double bf16, double f16) { return dtype == F32 ? f32 : dtype == BF16 ? bf16 : f16; }

void check_case(const std::string &name, const std::vector<Output> &outputs, const std::function<void()> &prepare, const std::function<void()> &run, bool fixed_order) {
  if (!selected(name)) return;
  std::string detail;
  bool good = true;
  std::vector<std::vector<uint8_t>> first;
  for (int round = 0; round < 2; round++) {
    prepare();
    run();
    device_wait(name.c_str());
    for (size_t o = 0; o < outputs.size(); o++) {
      Array &got = *outputs[o].got;
      got.pull();
      if (round == 0) {
        first.push_back(got.host);
      } else if (fixed_order && first[o] != got.host) {
        good = false;
        detail += " NOT-DETERMINISTIC(output " + std::to_string(o) + ")";
      }
    }
  }
  for (const Output &o : outputs) {
    double difference = 0, size = 0, worst = 0;
    int64_t worst_at = -1, bad = 0, different = 0;
    for (int64_t i = 0; i < o.got->count; i++) {
      const double a = o.got->at(i), b = o.want->at(i);
      if (std::isinf(a) && a == b) continue;
      if (!(std::isfinite(a)) || !(std::isfinite(b))) {
        bad++;
        if (worst_at < 0) worst_at = i;
        continue;
      }
      different += a != b;
      difference += (a - b) * (a - b);
      size += b * b;
      if (std::fabs(a - b) > worst) worst = std::fabs(a - b), worst_at = i;
    }
    const double error = size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
    const bool fine = bad == 0 && (o.tolerance == 0 ? different == 0 : error <= o.tolerance);
    char text[200];
    std::snprintf(text, sizeof text, " %.1e", error);
    detail += text;
    if (!fine) {
      good = false;
      std::snprintf(text, sizeof text, "(> %.0e; %lld not finite, %lld differ of %lld; worst at %lld: %g, want %g)", o.tolerance, static_cast<long long>(bad),
                    static_cast<long long>(different), static_cast<long long>(o.got->count), static_cast<long long>(worst_at),
                    worst_at < 0 ? 0 : o.got->at(worst_at), worst_at < 0 ? 0 : o.want->at(worst_at));
      detail += text;
    }
  }
  report(name, good, detail);
}

static void call(void *f) { (*static_cast<const std::function<void()> *>(f))(); }
static void add_timing(const std::string &name, double ms, double bytes, double operations) {
  char text[300];
  std::snprintf(text, sizeof text, "%-64s %9.4f ms %8.0f GB/s %8.1f TFLOP/s", name.c_str(), ms, bytes / ms / 1e6, operations / ms / 1e9);
  timings.push_back(text);
  std::printf("time %s\n", text);
  std::fflush(stdout);
}
void bench(const std::string &name, double bytes, double operations, const std::function<void()> &run, int inner) {
  if (!selected(name) || device_is_emulated()) return;
  add_timing(name, device_time(call, const_cast<std::function<void()> *>(&run), 9, inner), bytes, operations);
}
void bench_step(const std::string &name, double bytes, const std::function<void()> &run, bool early) {
  if (!selected(name) || device_is_emulated()) return;
  add_timing(name, device_time_step(call, const_cast<std::function<void()> *>(&run), 9, early), bytes, 0);
}
}  // namespace check

int main(int argc, char **argv) {
  using namespace check;
  std::string images = "build/cuda", family;
  bool checking = true;
  for (int i = 1; i < argc; i++) {
    const std::string a = argv[i];
    if (a == "--only" && i + 1 < argc) only = argv[++i];
    else if (a == "--family" && i + 1 < argc) family = argv[++i];
    else if (a == "--images" && i + 1 < argc) images = argv[++i];
    else if (a == "--bench") benchmarking = true;
    else if (a == "--no-check") checking = false;
    else if (a == "--seed" && i + 1 < argc) random_state = std::strtoull(argv[++i], nullptr, 10);
    else {
      std::fprintf(stderr, "usage: cuda-check [--images folder] [--family name] [--only part-of-a-name] [--bench] [--no-check] [--seed n]\n");
      return 2;
    }
  }
  const auto wanted = [&](int i) { return family.empty() || family == families[i].name; };
  device_open(images);
  std::printf("device: %s, %d multiprocessors\n", device_name().c_str(), device_multiprocessors());
  for (int i = 0; i < family_count && checking; i++) {
    const clock_t start = clock();
    if (wanted(i)) families[i].check();
    std::printf("     [%s: %.1f s]\n", families[i].name, static_cast<double>(clock() - start) / CLOCKS_PER_SEC);
  }
  if (benchmarking && !device_is_emulated()) {
    for (int i = 0; i < family_count; i++)
      if (wanted(i) && families[i].bench) families[i].bench();
    std::printf("\n");
    for (const std::string &t : timings) std::printf("%s\n", t.c_str());
  }
  std::printf("\n%d cases, %d failed\n", cases, failures);
  device_close();
  return failures ? 1 : 0;
}
