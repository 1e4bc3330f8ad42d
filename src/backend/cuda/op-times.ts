/** Milliseconds by op, measured on the card: an event before and one after each op, read when somebody asks. */
import type { OpTime } from "../cpu/native-context.ts";
import type { Driver } from "./driver.ts";

interface Span {
  readonly op: string;
  readonly start: bigint;
  readonly end: bigint;
}

/** Spans kept before they are read: each holds two events. */
const MAX_OPEN = 4096;

export class OpTimes {
  readonly #driver: Driver;
  readonly #stream: bigint;
  readonly #times = new Map<string, OpTime>();
  readonly #free: bigint[] = [];
  #open: Span[] = [];

  constructor(driver: Driver, stream: bigint) {
    this.#driver = driver;
    this.#stream = stream;
  }

  begin(): bigint {
    if (this.#open.length >= MAX_OPEN) this.read();
    return this.#record();
  }

  end(op: string, start: bigint): void {
    this.#open.push({ op, start, end: this.#record() });
  }

  /** Waits for the card and adds up. */
  read(): ReadonlyMap<string, OpTime> {
    const elapsed = new Float32Array(1);
    for (const { op, start, end } of this.#open) {
      this.#driver.check("opTimes", this.#driver.fn.cuEventSynchronize(end));
      this.#driver.check("opTimes", this.#driver.fn.cuEventElapsedTime(elapsed, start, end));
      const time = this.#times.get(op);
      if (time) {
        time.calls++;
        time.ms += elapsed[0]!;
      } else this.#times.set(op, { calls: 1, ms: elapsed[0]! });
      this.#free.push(start, end);
    }
    this.#open = [];
    return this.#times;
  }

  reset(): void {
    this.read();
    this.#times.clear();
  }

  release(): void {
    this.read();
    for (const event of this.#free.splice(0)) this.#driver.fn.cuEventDestroy_v2(event);
  }

  #record(): bigint {
    let event = this.#free.pop();
    if (event === undefined) {
      const out = new BigUint64Array(1);
      this.#driver.check("opTimes", this.#driver.fn.cuEventCreate(out, 0));
      event = out[0]!;
    }
    this.#driver.check("opTimes", this.#driver.fn.cuEventRecord(event, this.#stream));
    return event;
  }
}
