/** `remora ask --rows --rows-out`: questions and answers → training rows with the context that asking would retrieve. Needs no model. */
import { existsSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import type { AskConfig } from "../../config/schemas/retrieval.ts";
import { ConfigError } from "../../errors/config-error.ts";
import { counted } from "../../errors/counted.ts";
import { OutputExistsError } from "../../errors/output-exists-error.ts";
import type { CommandContext } from "../command.ts";
import { bar, ProgressLine } from "../terminal/progress-line.ts";
import { showCount } from "../terminal/quantities.ts";

export async function makeRows({ config, json, io, library, signal, say, print }: CommandContext<AskConfig>): Promise<number> {
  const { rows: path, rowsOut: out } = config;
  if (path === undefined || out === undefined) {
    throw new ConfigError("Configuring remora ask", [
      path === undefined
        ? { path: "rows", problem: "required with rowsOut: the file of questions and answers" }
        : { path: "rowsOut", problem: "required with rows: where the training rows go; to answer rows, see remora generate" },
    ]);
  }
  if (config.question !== undefined)
    throw new ConfigError("Configuring remora ask", [{ path: "rows", problem: "expected either rows or one question, found both" }]);
  if (existsSync(out) && !config.force)
    throw new OutputExistsError(out, "a file", "Choose another --rows-out, or replace it with --force.");
  const questions = await readQuestions(path, config, signal);
  const opened = await library.openSources(config, (url, problem) => say(`not read ${url}: ${problem}`));
  const aside = `${out}.partial`;
  const progress = new ProgressLine(io.stderr);
  const totals = { rows: 0, supported: 0, unsupported: 0, dropped: 0 };
  let file: Awaited<ReturnType<typeof open>> | undefined;
  try {
    file = await open(aside, "w");
    const options = { ...library.retrieveOptions(config, opened), signal, unsupported: config.unsupported };
    for (const [done, row] of questions.entries()) {
      if (signal.aborted) {
        progress.end();
        say("Stopped: nothing was written.");
        return 130;
      }
      const made = await library.makeContextRow(opened.index, row, options);
      if (made?.supported) totals.supported++;
      else totals.unsupported++;
      if (made) {
        await file.write(`${JSON.stringify(made)}\n`);
        totals.rows++;
      } else totals.dropped++;
      progress.update(`${done + 1}/${questions.length} ▕${bar((done + 1) / questions.length, 12)}▏`);
    }
    await file.close();
    await rename(aside, out);
    progress.end();
    if (json) print(JSON.stringify({ out, index: config.index, ...totals }));
    else {
      const rest =
        totals.unsupported === 0
          ? ""
          : `; ${showCount(totals.unsupported)} without support: ${{ drop: "dropped", keep: "kept", refuse: "turned into not knowing" }[config.unsupported]}`;
      print(`${out}: ${counted(totals.rows, "row")} with context${rest}`);
      say(`Train on it with the template instruct-context: remora train --data ${out} --template instruct-context`);
    }
    return 0;
  } finally {
    progress.end();
    await file?.close().catch(() => {});
    await rm(aside, { force: true });
    await opened.close();
  }
}

/** All rows before the index is opened: a bad row costs no minutes. */
async function readQuestions(path: string, config: AskConfig, signal: AbortSignal): Promise<{ question: string; output: string }[]> {
  const { readTemplateRows } = await import("../../data/load-data.ts");
  const questions: { question: string; output: string }[] = [];
  for await (const { values } of readTemplateRows([path], { columns: config.columns, purpose: "training", signal })) {
    const question = [values.instruction, values.input].filter((part) => typeof part === "string" && part !== "").join("\n");
    questions.push({ question, output: String(values.output ?? "") });
  }
  if (questions.length === 0) throw new ConfigError("Reading questions", [{ path, problem: "expected at least one row, found none" }]);
  return questions;
}
