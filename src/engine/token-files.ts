/** The token files of a pretraining run, opened, and checked to be made with the model's own tokenizer. */
import type { PretrainConfig } from "../config/schemas/pretrain.ts";
import { TokenFile, tokenizerPrint } from "../data/token-file.ts";
import { DataError } from "../errors/data-error.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

export class TokenFiles implements Disposable {
  readonly training: TokenFile[] = [];
  readonly heldOut: TokenFile[] = [];
  readonly #names: readonly string[];

  constructor({ data, heldOut = {} }: PretrainConfig, tokenizer: Tokenizer) {
    this.#names = Object.keys(data);
    const print = tokenizerPrint(tokenizer);
    try {
      for (const path of Object.values(data)) this.training.push(open(path, print));
      for (const path of Object.values(heldOut)) this.heldOut.push(open(path, print));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  get tokens(): number {
    return this.training.reduce((sum, { facts }) => sum + facts.tokens, 0);
  }

  /** In the order of the files. */
  weights(mix: Readonly<Record<string, number>> | undefined): number[] {
    return this.training.map(({ facts }, index) => (mix === undefined ? facts.tokens : (mix[this.#names[index]!] ?? 0)));
  }

  [Symbol.dispose](): void {
    for (const file of [...this.training, ...this.heldOut]) file[Symbol.dispose]();
  }
}

function open(path: string, print: string): TokenFile {
  const file = new TokenFile(path);
  if (file.facts.print === print) return file;
  file[Symbol.dispose]();
  throw new DataError(
    { file: path },
    "expected tokens of this model's tokenizer, found those of another",
    "Make the file again with remora data tokenize and this model.",
  );
}
