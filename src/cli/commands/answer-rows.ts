/**
 * `remora generate --rows`: every row of a file, in batches. With `--out` the answers are written aside and renamed when all are there, so an
 * interrupted run leaves no half file under the final name.
 */
import { existsSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import type { GenerateConfig, SessionConfig } from "../../config/schemas/generate.ts";
import { ConfigError } from "../../errors/config-error.ts";
import { counted } from "../../errors/counted.ts";
import { OutputExistsError } from "../../errors/output-exists-error.ts";
import type { CommandContext } from "../command.ts";
import type { Session } from "../library.ts";
import { bar, ProgressLine } from "../terminal/progress-line.ts";
import { showRate } from "../terminal/quantities.ts";

interface Totals {
  rows: number;
  tokens: number;
  empty: number;
  seconds: number;
}

export async function answerRows(context: CommandContext<GenerateConfig>, sessionConfig: SessionConfig): Promise<number> {
  const { config, json, io, library, signal, print } = context;
  const path = config.rows!;
  if (config.prompt !== undefined || config.instruction !== undefined || config.input !== undefined) {
    throw new ConfigError("Configuring remora generate", [{ path: "rows", problem: "expected either rows or one question, found both" }]);
  }
  if (config.out !== undefined && existsSync(config.out) && !config.force) {
    throw new OutputExistsError(config.out, "a file", "Choose another --out, or replace it with --force.");
  }
  // Read before the model is loaded: a bad row costs no minutes.
  const rows: Record<string, unknown>[] = [];
  const { readTemplateRows } = await import("../../data/load-data.ts");
  const { resolveData } = await import("../../hub/resolve-data.ts");
  const files = await resolveData([path], { offline: config.offline, env: io.env, signal });
  for await (const { values } of readTemplateRows(files, {
    columns: config.columns,
    constants: config.constants,
    encoding: config.encoding,
    sheet: config.sheet,
    header: config.header,
    purpose: "asking",
  }))
    rows.push(values);
  if (rows.length === 0) throw new ConfigError("Reading rows to answer", [{ path, problem: "expected at least one row, found none" }]);

  const session = await library.openModel(sessionConfig);
  const aside = config.out === undefined ? undefined : `${config.out}.partial`;
  const file = aside === undefined ? undefined : await open(aside, "w");
  const write = async (line: string) => {
    if (file) await file.write(`${line}\n`);
    else if (!json) io.stdout.write(`${line}\n`);
  };
  try {
    const { totals, answers, cancelled } = await answerAll(context, session, rows, write);
    await file?.close();
    if (cancelled) {
      if (aside) await rm(aside, { force: true });
      return 130;
    }
    if (aside) await rename(aside, config.out!);
    const report = { model: session.model, device: session.device, out: config.out, ...totals };
    if (json) print(JSON.stringify(file ? report : { ...report, answers }));
    else
      context.say(
        `${counted(totals.rows, "row")} answered, ${totals.empty} with nothing; ${showRate(totals.tokens / Math.max(totals.seconds, 1e-9))}`,
      );
    return 0;
  } catch (error) {
    await file?.close().catch(() => {});
    if (aside) await rm(aside, { force: true });
    throw error;
  } finally {
    await session.close();
  }

  async function answerAll(
    { config }: CommandContext<GenerateConfig>,
    session: Session,
    rows: readonly Record<string, unknown>[],
    write: (line: string) => Promise<void>,
  ) {
    const progress = new ProgressLine(io.stderr);
    const totals: Totals = { rows: 0, tokens: 0, empty: 0, seconds: 0 };
    const answers: unknown[] = [];
    const start = io.now();
    try {
      for (let first = 0; first < rows.length; first += config.batchSize) {
        if (signal.aborted) return { totals, answers, cancelled: true };
        const batch = rows.slice(first, first + config.batchSize);
        const batchAnswers = await session.generate(
          batch.map((row) => ({ row })),
          { signal },
        );
        if (batchAnswers.some((answer) => answer.finishReason === "cancelled")) return { totals, answers, cancelled: true };
        for (const [index, answer] of batchAnswers.entries()) {
          const line = { ...batch[index], answer: answer.text, finishReason: answer.finishReason };
          answers.push(line);
          await write(JSON.stringify(line));
          totals.rows++;
          totals.tokens += answer.tokens;
          if (answer.text.trim() === "") totals.empty++;
        }
        totals.seconds = (io.now() - start) / 1000;
        const rate = showRate(totals.tokens / Math.max(totals.seconds, 1e-9));
        progress.update(`${totals.rows}/${rows.length} ▕${bar(totals.rows / rows.length, 12)}▏ ${rate}`);
      }
      return { totals, answers, cancelled: false };
    } finally {
      progress.end();
    }
  }
}
