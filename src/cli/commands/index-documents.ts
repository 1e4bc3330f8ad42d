/** `remora index`: files and folders → a searchable index. stderr: progress and what could not be read; stdout: what is in the index now. */
import { indexSchema } from "../../config/schemas/retrieval.ts";
import { counted } from "../../errors/counted.ts";
import { cleanLine } from "../../retrieval/documents/document.ts";
import { defineCommand } from "../command.ts";
import { bar, ProgressLine } from "../terminal/progress-line.ts";
import { showCount, showSeconds } from "../terminal/quantities.ts";

/** Failures shown one by one; more are counted. */
const SHOWN_FAILURES = 20;

export const command = defineCommand({
  name: "index",
  schema: indexSchema,
  description:
    "Make documents searchable: Markdown, text, HTML, PDF, DOCX, JSONL. Run it again after changes: only what changed is read. " +
    "With --embedder the index has vectors too; without it, full text alone.",
  examples: [
    "remora index docs --index my-index",
    "remora index docs handbook.pdf --index my-index --embedder ./multilingual-e5-small",
    "remora index docs --index s3://bucket/my-index --embedder text-embedding-3-small --embedder-url https://api.openai.com/v1",
  ],
  wordsAs: { option: "documents", placeholder: "Files and folders", list: true },
  async run({ config, json, io, library, signal, say, print, proseStyle }) {
    const progress = new ProgressLine(io.stderr);
    try {
      const report = await library.indexDocuments(config, {
        signal,
        onEvent({ document, change, reason, done, total }) {
          const name = cleanLine(document);
          if (change === "failed") progress.print(`${proseStyle.yellow("not read")} ${name}: ${reason}`);
          const share = Math.min(1, done / Math.max(1, total));
          progress.update(`${done}/${total} ▕${bar(share, 12)}▏ ${name}`);
        },
      });
      progress.end();
      const { documents, failures } = report;
      if (json) print(JSON.stringify(report));
      else {
        const changes = (["added", "changed", "removed", "unchanged", "failed"] as const)
          .filter((change) => documents[change] > 0)
          .map((change) => `${showCount(documents[change])} ${change === "failed" ? "could not be read" : change}`);
        print(
          `${config.index}: ${counted(report.chunks, "chunk")}; documents: ${changes.join(", ") || "none"}; ${showSeconds(report.seconds)}`,
        );
        if (report.rebuilt) say(`Everything was made again: ${report.rebuilt}.`);
        const others = Object.entries(report.skipped).map(([ending, count]) => `${count} × ${ending}`);
        if (others.length > 0)
          say(proseStyle.dim(`Files of other kinds were left out: ${others.slice(0, 8).join(", ")}${others.length > 8 ? " …" : ""}`));
        if (report.embedder)
          say(proseStyle.dim(`Full text and vectors (${report.embedder.model}, ${report.embedder.dimensions} numbers each).`));
        else say("Full text alone: no encoder was named (--embedder), so questions find documents by words, not by meaning.");
        for (const { document, next } of failures.slice(0, SHOWN_FAILURES)) if (next) say(`${cleanLine(document)}: ${next}`);
        if (failures.length > SHOWN_FAILURES)
          say(`… and ${failures.length - SHOWN_FAILURES} more that could not be read (--json names all).`);
        const now = new Set(failures.map(({ document }) => document));
        const earlier = report.unread.filter(({ document }) => !now.has(document));
        for (const { document, reason, triedAt } of earlier.slice(0, SHOWN_FAILURES))
          say(`${proseStyle.yellow("not read")} ${cleanLine(document)} on ${triedAt.slice(0, 10)}, not tried again: ${reason}`);
        if (earlier.length > SHOWN_FAILURES)
          say(`… and ${earlier.length - SHOWN_FAILURES} more that could not be read earlier (--json names all).`);
        const old = report.unread.filter(({ keepsOldText }) => keepsOldText);
        for (const { document } of old.slice(0, SHOWN_FAILURES)) say(`${cleanLine(document)}: what was read of it before still answers.`);
      }
      return report.chunks === 0 && failures.length > 0 ? 2 : 0;
    } finally {
      progress.end();
    }
  },
});
