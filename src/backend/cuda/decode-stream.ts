/**
 * Weights decoded beside the products: a second stream decodes into two scratches in turn, and the next weight may be decoded as soon as the product
 * before the last, which read the same scratch, has ended. Nothing looks ahead: the host is far ahead of the card (or the work is a captured graph, where
 * only the edges count), so weight i is decoded beside whatever the main stream does after product i − 2.
 *
 * Order. The main stream waits for each decode before it goes on, so what comes after a decode needs no care. A decode comes after everything that the
 * main stream was given (it follows) where what it reads or writes may have been touched there since; otherwise only after its scratch was read.
 */
import type { Operand } from "../backend.ts";
import { cudaMemory, writesSoFar } from "./cuda-memory.ts";
import type { Driver } from "./driver.ts";
import type { Scratch } from "./scratch.ts";

/** CU_STREAM_NON_BLOCKING */
const NON_BLOCKING = 1;
/** CU_EVENT_DISABLE_TIMING */
const NO_TIMING = 2;
/** Stream priorities: less is sooner. The products fill the card; a decode takes what they leave. */
export const MAIN_PRIORITY = -1;
const DECODE_PRIORITY = 0;

/** What it takes of the runtime that it decodes for. */
interface Runtime {
  /** Named in errors. */
  readonly op: string;
  readonly epoch: number;
  readonly stream: bigint;
  readonly scratch: Scratch;
  /** Launches of `run` go to `stream`. */
  onStream(stream: bigint, run: () => void): void;
}

interface Slot {
  /** Recorded after the decode, and after the products that read it. */
  readonly decoded: bigint;
  readonly read: bigint;
  address: number;
  /** `read` stands for the last products and was recorded since the stream last followed the main one. */
  waits: boolean;
}

export class DecodeStream {
  readonly #driver: Driver;
  readonly #stream: bigint;
  readonly #here: bigint;
  readonly #slots: readonly [Slot, Slot];
  #turn: 0 | 1 = 0;
  /** The products of the last decode are not enqueued yet. */
  #open = false;
  /** When it last followed the main stream: the epoch, and the writes until then. */
  #followed = { epoch: -1, writes: 0 };

  constructor(driver: Driver) {
    const out = new BigUint64Array(1);
    const event = () => {
      driver.check("opening the card", driver.fn.cuEventCreate(out, NO_TIMING));
      return out[0]!;
    };
    const slot = (): Slot => ({ decoded: event(), read: event(), address: 0, waits: false });
    this.#driver = driver;
    driver.check("opening the card", driver.fn.cuStreamCreateWithPriority(out, NON_BLOCKING, DECODE_PRIORITY));
    this.#stream = out[0]!;
    this.#here = event();
    this.#slots = [slot(), slot()];
  }

  /**
   * Runs `decode` on this stream, into the scratch whose turn it is; `done` must follow once the products that read it are enqueued.
   * @param reads what `decode` reads
   * @param fresh true when it also reads or writes what the main stream has just made or allocated
   * @returns address of at least `bytes` bytes
   */
  decode(cuda: Runtime, bytes: number, reads: readonly (Operand | undefined)[], fresh: boolean, decode: (address: number) => void): number {
    this.#turn = this.#turn === 0 ? 1 : 0;
    const slot = this.#slots[this.#turn];
    const address = cuda.scratch.take(`decoded weights ${this.#turn}`, bytes);
    const written = reads.some((operand) => operand && cudaMemory(cuda.op, operand.memory).lastWrite > this.#followed.writes);
    // Another epoch: a graph ran or is recorded, and events from outside a graph mean nothing inside it. Another address: whose memory was this?
    if (fresh || written || this.#open || this.#followed.epoch !== cuda.epoch || slot.address !== address) this.#follow(cuda);
    else if (slot.waits) this.#wait(cuda, this.#stream, slot.read);
    slot.address = address;
    this.#open = true;
    cuda.onStream(this.#stream, () => decode(address));
    this.#record(cuda, slot.decoded, this.#stream);
    this.#wait(cuda, cuda.stream, slot.decoded);
    return address;
  }

  /** The products of the last decode are enqueued. */
  done(cuda: Runtime): void {
    if (!this.#open) return;
    const slot = this.#slots[this.#turn];
    this.#record(cuda, slot.read, cuda.stream);
    slot.waits = true;
    this.#open = false;
  }

  release(): void {
    const { fn } = this.#driver;
    fn.cuStreamSynchronize(this.#stream);
    for (const event of [this.#here, ...this.#slots.flatMap(({ decoded, read }) => [decoded, read])]) fn.cuEventDestroy_v2(event);
    fn.cuStreamDestroy_v2(this.#stream);
  }

  /** What comes here now comes after all that the main stream was given. */
  #follow(cuda: Runtime): void {
    this.#record(cuda, this.#here, cuda.stream);
    this.#wait(cuda, this.#stream, this.#here);
    for (const slot of this.#slots) slot.waits = false;
    this.#followed = { epoch: cuda.epoch, writes: writesSoFar() };
  }

  #record(cuda: Runtime, event: bigint, stream: bigint): void {
    this.#driver.check(cuda.op, this.#driver.fn.cuEventRecord(event, stream));
  }

  #wait(cuda: Runtime, stream: bigint, event: bigint): void {
    this.#driver.check(cuda.op, this.#driver.fn.cuStreamWaitEvent(stream, event, 0));
  }
}
