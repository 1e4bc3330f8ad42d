/** `remora data tokenize`: a corpus becomes a token file. */
import { existsSync } from "node:fs";
import { dataTokenizeSchema } from "../../config/schemas/data.ts";
import { counted } from "../../errors/counted.ts";
import { OutputExistsError } from "../../errors/output-exists-error.ts";
import { defineCommand } from "../command.ts";
import { ProgressLine } from "../terminal/progress-line.ts";
import { showBytes } from "../terminal/quantities.ts";

export const command = defineCommand({
  name: "data tokenize",
  schema: dataTokenizeSchema,
  description: [
    "Encode text files (documents between lines of <|doc|>), JSONL with a column text, or any rows through forms, into one file of tokens that",
    "remora pretrain reads where it lies. Every document ends with the end-of-text token.",
  ].join(" "),
  examples: [
    "remora data tokenize --model ./shape --data books.txt --out books.tokens",
    "remora data tokenize --model ./shape --data pairs.tsv --header ja,en --forms '{ja}\\n{en}' '{en}\\n{ja}' --out pairs.tokens",
  ],
  async run({ config, json, io, signal, say, print }) {
    const { out } = config;
    if (existsSync(out) && !config.force) throw new OutputExistsError(out, "a file", "Replace it with --force, or choose another --out.");
    const { resolveData } = await import("../../hub/resolve-data.ts");
    const { openTokenizer } = await import("../../engine/model-files.ts");
    const { tokenizeFiles } = await import("../../data/tokenize.ts");
    const hub = { offline: config.offline, env: process.env };
    const tokenizer = await openTokenizer(config.model, { offline: config.offline, signal });
    const progress = new ProgressLine(io.stderr);
    try {
      const facts = await tokenizeFiles({
        ...config,
        files: await resolveData([config.data].flat(), hub),
        tokenizer,
        forms: config.forms === undefined ? undefined : [config.forms].flat().map((form) => form.replaceAll("\\n", "\n")),
        signal,
        onProgress: (documents, bytes) => progress.update(`${counted(documents, "document")}, ${showBytes(bytes)}`),
      });
      progress.end();
      const bytesPerToken = facts.textBytes / (facts.tokens - facts.documents);
      if (json) print(JSON.stringify({ out, ...facts, bytesPerToken }));
      else {
        say(`${counted(facts.documents, "document")}, ${counted(facts.tokens, "token")}, ${bytesPerToken.toFixed(2)} bytes a token`);
        print(out);
      }
      return 0;
    } finally {
      progress.end();
    }
  },
});
