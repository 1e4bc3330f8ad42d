/**
 * What `remora data preview` shows: rows as the model will see them, trained tokens in colour.
 *
 * Without colour the trained part stands in ⟦ ⟧. Special tokens are always visible, as ‹<s>›; a line end is shown as ⏎ before it breaks,
 * other control characters by their Unicode pictures.
 */
import { counted } from "../errors/counted.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

export interface PreviewRow {
  ids: ArrayLike<number>;
  trained: ArrayLike<number>;
  /** From 1. */
  row: number;
  truncated?: boolean;
}

export interface PreviewOptions {
  /** ANSI colours. @default false */
  colour?: boolean;
  /** Longer rows are shown up to this many tokens, from the start, and the last ones. @default 2,000 */
  maxTokens?: number;
}

const STYLE = { trained: "\x1b[1;32m", special: "\x1b[36m", trainedSpecial: "\x1b[1;30;42m", faint: "\x1b[2m", reset: "\x1b[0m" } as const;

/** C0 controls as their pictures (U+2400 …); a newline keeps breaking the line. */
const visible = (text: string): string =>
  text
    .replace(/[\x00-\x08\x0b-\x1f]/g, (control) => String.fromCharCode(0x2400 + control.charCodeAt(0)))
    .replace(/\t/g, "→\t")
    .replace(/\x7f/g, "␡")
    .replace(/\n/g, "⏎\n");

/** The legend and the rows. */
export function renderPreview(rows: readonly PreviewRow[], tokenizer: Tokenizer, options: PreviewOptions = {}): string {
  const { colour = false } = options;
  const legend = colour
    ? `${STYLE.trained}trained${STYLE.reset} · not trained · ${STYLE.special}‹special token›${STYLE.reset}`
    : "⟦trained⟧ · not trained · ‹special token›";
  return [legend, ...rows.map((row) => renderRow(row, tokenizer, colour, options.maxTokens ?? 2000))].join("\n\n");
}

function renderRow(row: PreviewRow, tokenizer: Tokenizer, colour: boolean, maxTokens: number): string {
  let count = 0;
  for (let i = 0; i < row.trained.length; i++) if (row.trained[i]) count++;
  const notes = `row ${row.row} · ${counted(row.ids.length, "token")}, ${count} trained${row.truncated ? " · cut to the block" : ""}`;
  const head = colour ? `${STYLE.faint}${notes}${STYLE.reset}` : `— ${notes} —`;
  const hidden = Math.max(0, row.ids.length - maxTokens);
  const tail = hidden > 0 ? Math.min(200, maxTokens >> 1) : 0;
  const front = renderTokens(row, 0, row.ids.length - hidden - tail, tokenizer, colour);
  if (hidden === 0) return `${head}\n${front}`;
  return `${head}\n${front}\n… ${counted(hidden, "token")} not shown …\n${renderTokens(row, row.ids.length - tail, row.ids.length, tokenizer, colour)}`;
}

function renderTokens(row: PreviewRow, start: number, end: number, tokenizer: Tokenizer, colour: boolean): string {
  let text = "";
  let open = false; // inside ⟦ ⟧
  for (let i = start; i < end; ) {
    const trained = Boolean(row.trained[i]);
    const special = tokenizer.isSpecial(row.ids[i]!);
    const run: number[] = [];
    while (i < end && Boolean(row.trained[i]) === trained && tokenizer.isSpecial(row.ids[i]!) === special) run.push(row.ids[i++]!);
    const shown = special
      ? run.map((id) => `‹${tokenizer.tokenOf(id)}›`).join("")
      : visible(new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(run.map((id) => tokenizer.bytesOf(id)))));
    if (!colour) {
      if (trained !== open) text += trained ? "⟦" : "⟧";
      open = trained;
      text += shown;
    } else {
      const style = special ? (trained ? STYLE.trainedSpecial : STYLE.special) : trained ? STYLE.trained : "";
      // a colour is closed before a line ends, so that pagers and terminals do not paint the rest of the line
      text += style === "" ? shown : shown.replace(/[^\n]+/g, (line) => `${style}${line}${STYLE.reset}`);
    }
  }
  return open ? `${text}⟧` : text;
}
