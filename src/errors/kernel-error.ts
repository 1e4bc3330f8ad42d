import { RemoraError } from "./remora-error.ts";

/** A kernel refused a call. `status` is one of the REMORA_STATUS names, `op` the backend's method. */
export class KernelError extends RemoraError {
  readonly op: string;
  readonly status: string;

  constructor(op: string, status: string, text: string) {
    super("kernel", 1, { doing: `Running ${op}`, problem: `${text || "the kernel gave no reason"} (status ${status})` });
    this.op = op;
    this.status = status;
  }
}
