/** Timing of products on the card's own clock, for the search of their algorithms. */
import type { Driver } from "./driver.ts";
import type { Staging } from "./staging.ts";

export class ProductTrials {
  readonly #driver: Driver;
  readonly #stream: bigint;
  readonly #staging: Staging;
  readonly #mayWait: () => boolean;

  /** @param mayWait false while a graph is recorded */
  constructor(driver: Driver, stream: bigint, staging: Staging, mayWait: () => boolean) {
    this.#driver = driver;
    this.#stream = stream;
    this.#staging = staging;
    this.#mayWait = mayWait;
  }

  get possible(): boolean {
    return this.#mayWait();
  }

  /** Milliseconds of one call, as the mean of `calls`; waits. */
  time(run: () => void, calls: number): number {
    const { fn } = this.#driver;
    const check = (status: number) => this.#driver.check("timing of a product", status);
    const [start, end] = [this.#event(), this.#event()];
    check(fn.cuEventRecord(start, this.#stream));
    for (let call = 0; call < calls; call++) run();
    check(fn.cuEventRecord(end, this.#stream));
    check(fn.cuEventSynchronize(end));
    const elapsed = new Float32Array(1);
    check(fn.cuEventElapsedTime(elapsed, start, end));
    for (const event of [start, end]) fn.cuEventDestroy_v2(event);
    return elapsed[0]! / calls;
  }

  /** Bytes of the card's memory; waits. */
  read(address: number, bytes: number): Uint8Array {
    const into = new Uint8Array(bytes);
    this.#staging.receive("timing of a product", address, into, this.#stream);
    return into;
  }

  #event(): bigint {
    const out = new BigUint64Array(1);
    this.#driver.check("timing of a product", this.#driver.fn.cuEventCreate(out, 0));
    return out[0]!;
  }
}
