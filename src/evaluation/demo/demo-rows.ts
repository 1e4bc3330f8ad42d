/** The demo's sentences: the rows it learns from, the held-out ones that judge it, and a test file of the user's. */
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { readRows } from "../../data/read/read-rows.ts";
import { DataError } from "../../errors/data-error.ts";
import { packageFolder } from "../../hub/shipped-models.ts";

/** A sentence pair with what is asked of it, as the template takes it. */
export interface DemoRow {
  readonly instruction: string;
  readonly input: string;
  readonly output: string;
}

export interface DemoRows {
  /** File of the training rows. */
  readonly trainPath: string;
  readonly trainCount: number;
  readonly heldOut: readonly DemoRow[];
}

export async function readDemoRows(): Promise<DemoRows> {
  const folder = join(packageFolder(), "examples", "translate");
  const lines = async (name: string) => (await readFile(join(folder, name), "utf8")).split("\n").filter((line) => line !== "");
  const heldOut = (await lines("held-out.jsonl")).map((line) => JSON.parse(line) as DemoRow);
  return { trainPath: join(folder, "train.jsonl"), trainCount: (await lines("train.jsonl")).length, heldOut };
}

/**
 * Sentence pairs of a user: TSV without a header line (Japanese, English), or any other data file with columns `input` and `output`.
 * @throws DataError when a row lacks one of the two, or there is none
 */
export async function readTestRows(file: string, instruction: string): Promise<DemoRow[]> {
  const header = extname(file).toLowerCase() === ".tsv" ? ["input", "output"] : undefined;
  const rows: DemoRow[] = [];
  for await (const { row, line, values } of readRows(file, { header })) {
    const [input, output] = [values.input, values.output];
    if (typeof input !== "string" || typeof output !== "string" || input.trim() === "" || output.trim() === "") {
      throw new DataError(
        { file, row, line },
        "expected a sentence in input and one in output",
        "A TSV file has Japanese, a tab, English.",
      );
    }
    rows.push({ instruction, input: input.trim(), output: output.trim() });
  }
  if (rows.length === 0) throw new DataError({ file }, "expected sentence pairs, found no rows");
  return rows;
}
