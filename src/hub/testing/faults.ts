/** Things that go wrong on a network, injected by tests: once, several times, or from a certain request on. */
import type { IncomingMessage, ServerResponse } from "node:http";

export type Fault =
  /** The connection ends before the request was looked at. */
  | { readonly kind: "drop" }
  /** The connection ends after so many bytes: of the answer's body, or (for an upload) of the request's. */
  | { readonly kind: "drop-after"; readonly bytes: number }
  /** The request is carried out, and the connection ends before the answer. */
  | { readonly kind: "drop-answer" }
  | { readonly kind: "status"; readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** One byte of the answer's body is another one. */
  | { readonly kind: "damage" };

export interface FaultRule {
  readonly fault: Fault;
  /** The method and path must match: `GET /o/n/resolve/…`. */
  readonly match: RegExp;
  /** How often it happens. @default 1 */
  times?: number;
  /** Matching requests that pass first. @default 0 */
  skip?: number;
}

export class Faults {
  readonly rules: FaultRule[] = [];

  add(rule: FaultRule): void {
    this.rules.push({ ...rule });
  }

  clear(): void {
    this.rules.length = 0;
  }

  /** The fault of this request, used up. */
  take(line: string): Fault | undefined {
    for (const rule of this.rules) {
      if (!rule.match.test(line) || rule.times === 0) continue;
      if (rule.skip) {
        rule.skip--;
        continue;
      }
      rule.times = (rule.times ?? 1) - 1;
      return rule.fault;
    }
    return undefined;
  }
}

/** Cuts the connection as a broken network does: no end of the message, just silence. */
export function cut(message: IncomingMessage | ServerResponse): void {
  message.socket?.destroy();
}
