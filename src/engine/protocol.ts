/** Messages between the engine's client and its worker: data only. */

/** What a worker is started with. */
export interface WorkerStart {
  readonly cancelFlag: Int32Array;
}

export interface CallMessage {
  readonly id: number;
  readonly job: string;
  readonly input: unknown;
}

export type ReplyMessage =
  | { readonly id: number; readonly kind: "event"; readonly event: object }
  | { readonly id: number; readonly kind: "done"; readonly output: unknown }
  | { readonly id: number; readonly kind: "failed"; readonly error: ErrorData };

/** An error as data, so that its fields survive the border. */
export interface ErrorData {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** Own fields: code, exitCode, doing, problem, next and what the class adds. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly isRemora: boolean;
  readonly cause?: ErrorData;
}
