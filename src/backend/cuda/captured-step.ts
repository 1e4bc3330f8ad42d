/**
 * Work recorded as a CUDA graph. The first run is an ordinary one: it allocates, loads kernels, chooses algorithms and makes tables, none of which
 * may happen while recording. The first replay runs the work once more to record it; every later replay is one call to the driver.
 *
 * What the graph holds are addresses, so while it lives the pool gives nothing back to the driver and scratch blocks are not replaced; the arena
 * of `src/tensor` must not be trimmed. With profiling, debug mode or REMORA_CUDA_GRAPH=0 each replay runs the work op by op.
 */
import process from "node:process";
import type { CapturedWork } from "../backend.ts";
import type { CudaRuntime } from "./cuda-runtime.ts";

/** CU_STREAM_CAPTURE_MODE_RELAXED: allocating is allowed meanwhile. */
const RELAXED = 2;

export class CapturedStep implements CapturedWork {
  readonly #cuda: CudaRuntime;
  readonly #run: () => void;
  readonly #opByOp: boolean;
  #graph = 0n;
  #executable = 0n;

  /** Runs the work for the first time. */
  constructor(cuda: CudaRuntime, run: () => void) {
    this.#cuda = cuda;
    this.#run = run;
    this.#opByOp = cuda.options.debug || cuda.times !== null || process.env.REMORA_CUDA_GRAPH === "0";
    run();
  }

  /** Launches in the graph; 0 before it is recorded. */
  get nodeCount(): number {
    if (this.#graph === 0n) return 0;
    const count = new BigUint64Array(1);
    this.#cuda.driver.check("capture", this.#cuda.driver.fn.cuGraphGetNodes(this.#graph, 0, count));
    return Number(count[0]);
  }

  replay(): void {
    if (this.#opByOp) {
      this.#run();
      return;
    }
    if (this.#executable === 0n) this.#record();
    const { driver, stream } = this.#cuda;
    this.#cuda.run("replay", () => driver.check("replay of a captured step", driver.fn.cuGraphLaunch(this.#executable, stream)));
    this.#cuda.epoch++;
  }

  release(): void {
    if (this.#executable === 0n) return;
    const { fn } = this.#cuda.driver;
    this.#cuda.wait("release of a captured step");
    fn.cuGraphExecDestroy(this.#executable);
    fn.cuGraphDestroy(this.#graph);
    this.#executable = this.#graph = 0n;
    this.#cuda.memory.pins--;
  }

  #record(): void {
    const cuda = this.#cuda;
    const { driver } = cuda;
    const out = new BigUint64Array(1);
    driver.check("capture", driver.fn.cuStreamBeginCapture_v2(cuda.stream, RELAXED));
    cuda.capturing = true;
    cuda.memory.pins++;
    // Copies made from operands must be made inside the graph too, and rows rounded in it.
    cuda.epoch++;
    cuda.rounded = undefined;
    let recorded = false;
    try {
      this.#run();
      recorded = true;
    } finally {
      cuda.capturing = false;
      cuda.epoch++;
      const status = driver.fn.cuStreamEndCapture(cuda.stream, out);
      if (!recorded) {
        if (status === 0) driver.fn.cuGraphDestroy(out[0]!);
        cuda.memory.pins--;
      } else if (status !== 0) {
        cuda.memory.pins--;
        driver.check("capture", status);
      }
    }
    this.#graph = out[0]!;
    driver.check("capture (instantiating the graph)", driver.fn.cuGraphInstantiateWithFlags(out, this.#graph, 0));
    this.#executable = out[0]!;
  }
}
