// Which kernel tables this library holds, and which of them this machine can run.
#pragma once
#include "kernels.h"

namespace remora {

// The table of an ISA, or nullptr when it is unknown, not compiled in, or not runnable on this machine.
const Kernels *kernels_for(int32_t isa);
// The fastest one that kernels_for() answers.
int32_t best_isa();
// REMORA_ISA_AUTO becomes what REMORA_CPU names, or best_isa(). An unknown name gives -1.
int32_t resolve_isa(int32_t isa);
// Cores this process may use (affinity and, on Linux, the control group's quota).
int available_cores();

}  // namespace remora
