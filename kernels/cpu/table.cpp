// The kernel table of one ISA. Every kernels/cpu/<family>.cpp (and kernels/reference/<family>.cpp) ends in `void fill_<family>(Kernels &)`;
// scripts/build-kernels.mjs finds those and writes families.h, so a new family needs no line here. Ops nobody filled stay null and
// answer REMORA_STATUS_UNSUPPORTED.
#include <pthread.h>

#include "families.h"
#include "kernels.h"

#define REMORA_JOIN_(a, b) a##b
#define REMORA_JOIN(a, b) REMORA_JOIN_(a, b)

namespace remora {
namespace REMORA_ISA {
#define REMORA_DECLARE_FILL(family) void fill_##family(Kernels &kernels);
REMORA_FAMILY_LIST(REMORA_DECLARE_FILL)
#undef REMORA_DECLARE_FILL

static Kernels table;
static pthread_once_t filled = PTHREAD_ONCE_INIT;

// Not before the first call: this file is compiled for its ISA, and the machine may lack it.
static void fill_table() {
#define REMORA_CALL_FILL(family) fill_##family(table);
  REMORA_FAMILY_LIST(REMORA_CALL_FILL)
#undef REMORA_CALL_FILL
}
}  // namespace REMORA_ISA

extern const Kernels *REMORA_JOIN(kernels_, REMORA_ISA)();
const Kernels *REMORA_JOIN(kernels_, REMORA_ISA)() {
  pthread_once(&REMORA_ISA::filled, REMORA_ISA::fill_table);
  return &REMORA_ISA::table;
}
}  // namespace remora
