/**
 * A CUlaunchConfig with one attribute:
 * - early: programmatic stream serialization, by which a kernel may start before the one ahead of it in the stream has ended (cards from sm_90 on).
 *   The kernel itself then waits for what it needs; `early` in kernels.json says which kernels do.
 * - together: a cooperative launch, all of whose blocks are on the card at once. A kernel whose blocks wait for each other needs it: two of them, each with
 *   some of the multiprocessors, would wait for ever.
 *
 * Offsets are those of cuda.h for 64 bits: seven u32 (grid, block, shared memory), the stream at 32, the attributes' address at 40, their number at
 * 48. An attribute is its id, and at byte 8 a value of 64 bytes.
 */
import koffi from "koffi";

/** CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION and CU_LAUNCH_ATTRIBUTE_COOPERATIVE; the value of both is an i32. */
const ATTRIBUTES = { early: 6, together: 2 } as const;
const CONFIG_BYTES = 56;
const ATTRIBUTE_BYTES = 72;

export class LaunchConfig {
  /** As cuLaunchKernelEx reads it. */
  readonly bytes: Buffer;
  readonly #view: DataView;

  constructor() {
    this.bytes = Buffer.alloc(CONFIG_BYTES + ATTRIBUTE_BYTES);
    this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    this.#view.setBigUint64(40, BigInt(koffi.address(this.bytes)) + BigInt(CONFIG_BYTES), true);
    this.#view.setUint32(48, 1, true);
    this.#view.setInt32(CONFIG_BYTES + 8, 1, true);
  }

  /** Blocks, threads of a block, bytes of dynamic shared memory. @returns the bytes, which the next call changes */
  set(way: keyof typeof ATTRIBUTES, x: number, y: number, z: number, threads: number, shared: number, stream: bigint): Buffer {
    this.#view.setInt32(CONFIG_BYTES, ATTRIBUTES[way], true);
    for (const [i, value] of [x, y, z, threads, 1, 1, shared].entries()) this.#view.setUint32(4 * i, value, true);
    this.#view.setBigUint64(32, stream, true);
    return this.bytes;
  }
}
