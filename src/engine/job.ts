/**
 * What a job in the engine's worker may use of its surroundings. Jobs take plain data and return plain data; progress goes out as events,
 * cancelling comes in as a flag in shared memory.
 */
export interface JobHost {
  /** Sends a plain object to whoever started the job. */
  emit(event: object): void;
  /** Int32Array [1] over shared memory; not 0 means stop. Backends read it before every op. */
  readonly cancelFlag: Int32Array;
}

export function isCancelled(host: JobHost): boolean {
  return Atomics.load(host.cancelFlag, 0) !== 0;
}

/** After a cancel was noticed: lets ops run again, to write a checkpoint or to answer the next request. */
export function resetCancel(host: JobHost): void {
  Atomics.store(host.cancelFlag, 0, 0);
}

export type Job = (input: never, host: JobHost) => Promise<unknown>;
