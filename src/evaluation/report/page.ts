/**
 * The frame of every page that remora writes: one HTML file that needs no network and forbids itself every connection by its own policy. Style comes
 * from `studio/` and is put inside.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageFolder } from "../../hub/shipped-models.ts";
import type { ReportLanguage } from "../report-language.ts";
import { type Html, html, trusted } from "./html.ts";

export interface Page {
  readonly title: string;
  /** Of its own words. */
  readonly language: ReportLanguage;
  /** Files under `studio/`, in order. */
  readonly styles: readonly string[];
  readonly body: Html;
  /** Files under `studio/`; a page without behaviour allows itself none. */
  readonly scripts?: readonly string[];
}

export function renderPage({ title, language, styles, body, scripts = [] }: Page): string {
  const asset = (name: string) => trusted(readFileSync(join(packageFolder(), "studio", name), "utf8"));
  const scriptPolicy = scripts.length > 0 ? " script-src 'unsafe-inline';" : "";
  const page = html`<!doctype html>
<html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline';${trusted(scriptPolicy)} img-src data:">
<title>${title}</title>${styles.map((name) => html`<style>${asset(name)}</style>`)}</head>
<body data-title="${title}">${body}${scripts.map((name) => html`<script>${asset(name)}</script>`)}</body></html>`;
  return `${page.text}\n`;
}
