/**
 * The demo's sentences: the rows it learns from, the held-out ones that judge it, and those of a test file: one that the user names, or the one
 * of the project's data, which lies beside a checkout and never in it.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { readRows } from "../../data/read/read-rows.ts";
import { DataError } from "../../errors/data-error.ts";
import { RemoraError } from "../../errors/remora-error.ts";
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

export interface TestRows {
  /** As the user named it, or from the package's folder. */
  readonly file: string;
  /** Rows of the whole file. */
  readonly of: number;
  readonly rows: readonly DemoRow[];
}

/** The test half of the learners' sentences, seen from the package's folder. */
const PROJECT_TEST_FILE = "../shared/data/translation/test.tsv";
/** Of a file that nobody asked for: the same first rows each time, and only seconds of a demo's minute. */
const PROJECT_TEST_ROWS = 200;

export async function readDemoRows(): Promise<DemoRows> {
  const folder = join(packageFolder(), "examples", "translate");
  const lines = async (name: string) => (await readFile(join(folder, name), "utf8")).split("\n").filter((line) => line !== "");
  const heldOut = (await lines("held-out.jsonl")).map((line) => JSON.parse(line) as DemoRow);
  return { trainPath: join(folder, "train.jsonl"), trainCount: (await lines("train.jsonl")).length, heldOut };
}

/**
 * The sentences of `file`; without one the first 200 of the project's own where its data lie beside the checkout; else undefined.
 * @throws DataError as `readTestRows`, for a file that was named
 */
export async function openTestRows(file: string | undefined, instruction: string, root = packageFolder()): Promise<TestRows | undefined> {
  if (file !== undefined) {
    const rows = await readTestRows(file, instruction);
    return { file, of: rows.length, rows };
  }
  const path = join(root, PROJECT_TEST_FILE);
  if (!existsSync(path)) return undefined;
  try {
    const rows = await readTestRows(path, instruction);
    return { file: PROJECT_TEST_FILE, of: rows.length, rows: rows.slice(0, PROJECT_TEST_ROWS) };
  } catch (error) {
    // Something else of that name, that nobody asked for, does not stop a demo.
    if (RemoraError.isInstance(error)) return undefined;
    throw error;
  }
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
