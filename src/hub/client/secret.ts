/**
 * A token that cannot be printed by accident: as text, as JSON, in a template or in a stack of objects it shows as `[secret]`.
 * Only `reveal()` gives it out, and only the request that sends it calls that.
 */
import { inspect } from "node:util";

const SHOWN = "[secret]";

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  /** The text without this secret, and without anything else that looks like a token of the Hub. */
  redact(text: string): string {
    return redactTokens(text.replaceAll(this.#value, SHOWN));
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}

/** Tokens of the Hub begin with `hf_`; older ones with `api_org_`. */
export function redactTokens(text: string): string {
  return text.replace(/\b(hf|api_org)_[A-Za-z0-9]{16,}/g, SHOWN);
}
