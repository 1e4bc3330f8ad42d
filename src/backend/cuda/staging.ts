/**
 * A ring of pinned host memory through which every upload, download and file passes: the card copies from and to it while the host goes on,
 * and a slot is used again only when its copy has finished (an event says so).
 */
import koffi from "koffi";
import type { Driver } from "./driver.ts";

interface Slot {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly event: bigint;
  busy: boolean;
}

export class Staging {
  readonly slotBytes: number;
  readonly #driver: Driver;
  readonly #slotCount: number;
  readonly #slots: Slot[] = [];
  #base = 0n;
  #next = 0;

  constructor(driver: Driver, slotCount: number, slotBytes: number) {
    this.#driver = driver;
    this.#slotCount = slotCount;
    this.slotBytes = slotBytes;
  }

  /** Host to card. `fill` writes the piece into the slot; returns once every piece is enqueued. */
  send(op: string, target: number, bytes: number, stream: bigint, fill: (slot: Uint8Array, start: number) => void): void {
    for (let start = 0; start < bytes; start += this.slotBytes) {
      const slot = this.#take(op);
      const size = Math.min(this.slotBytes, bytes - start);
      fill(slot.bytes.subarray(0, size), start);
      this.#check(op, this.#driver.fn.cuMemcpyHtoDAsync_v2(target + start, slot.address, size, stream));
      this.#mark(op, slot, stream);
    }
  }

  /** Card to host; waits. Two pieces are under way at a time. */
  receive(op: string, source: number, into: Uint8Array, stream: bigint): void {
    let waiting: { slot: Slot; start: number; size: number } | undefined;
    for (let start = 0; start < into.byteLength; start += this.slotBytes) {
      const slot = this.#take(op);
      const size = Math.min(this.slotBytes, into.byteLength - start);
      this.#check(op, this.#driver.fn.cuMemcpyDtoHAsync_v2(slot.address, source + start, size, stream));
      this.#mark(op, slot, stream);
      if (waiting) this.#collect(op, waiting, into);
      waiting = { slot, start, size };
    }
    if (waiting) this.#collect(op, waiting, into);
  }

  release(): void {
    for (const { event } of this.#slots.splice(0)) this.#driver.fn.cuEventDestroy_v2(event);
    if (this.#base !== 0n) this.#driver.fn.cuMemFreeHost(this.#base);
    this.#base = 0n;
  }

  #collect(op: string, { slot, start, size }: { slot: Slot; start: number; size: number }, into: Uint8Array): void {
    this.#wait(op, slot);
    into.set(slot.bytes.subarray(0, size), start);
  }

  #take(op: string): Slot {
    if (this.#slots.length === 0) this.#allocate(op);
    const slot = this.#slots[this.#next]!;
    this.#next = (this.#next + 1) % this.#slotCount;
    this.#wait(op, slot);
    return slot;
  }

  #mark(op: string, slot: Slot, stream: bigint): void {
    this.#check(op, this.#driver.fn.cuEventRecord(slot.event, stream));
    slot.busy = true;
  }

  #wait(op: string, slot: Slot): void {
    if (slot.busy) this.#check(op, this.#driver.fn.cuEventSynchronize(slot.event));
    slot.busy = false;
  }

  #allocate(op: string): void {
    const out = new BigUint64Array(1);
    const total = this.#slotCount * this.slotBytes;
    this.#check(`${op} (pinning ${total} bytes of host memory)`, this.#driver.fn.cuMemHostAlloc(out, total, 0));
    this.#base = out[0]!;
    const view = new Uint8Array(koffi.view(this.#base, total) as ArrayBuffer);
    for (let i = 0; i < this.#slotCount; i++) {
      this.#check(op, this.#driver.fn.cuEventCreate(out, 2)); // 2: no timing
      const start = i * this.slotBytes;
      this.#slots.push({
        address: this.#base + BigInt(start),
        bytes: view.subarray(start, start + this.slotBytes),
        event: out[0]!,
        busy: false,
      });
    }
  }

  #check(op: string, status: number): void {
    if (status !== 0) this.#driver.check(op, status);
  }
}
