import { RemoraError } from "./remora-error.ts";

/** The CUDA driver or cuBLASLt refused something. `op` is the backend's method that was running, `status` the driver's own name for it. */
export class CudaError extends RemoraError {
  readonly op: string;
  readonly status: string;

  constructor(op: string, status: string, text: string) {
    const late = LATE.has(status)
      ? "The fault may come from an earlier op: run again with REMORA_CUDA_DEBUG=1, which waits after each op and names the right one."
      : undefined;
    super("cuda", 1, { doing: `Running ${op}`, problem: `${text} (${status})`, next: late });
    this.op = op;
    this.status = status;
  }
}

/** Faults of running kernels: the driver reports them at a later call. */
const LATE: ReadonlySet<string> = new Set([
  "CUDA_ERROR_ILLEGAL_ADDRESS",
  "CUDA_ERROR_LAUNCH_FAILED",
  "CUDA_ERROR_MISALIGNED_ADDRESS",
  "CUDA_ERROR_INVALID_ADDRESS_SPACE",
  "CUDA_ERROR_ILLEGAL_INSTRUCTION",
  "CUDA_ERROR_INVALID_PC",
  "CUDA_ERROR_HARDWARE_STACK_ERROR",
  "CUDA_ERROR_ASSERT",
  "CUDA_ERROR_LAUNCH_TIMEOUT",
]);
