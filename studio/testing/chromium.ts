/** A Chromium of this machine for tests of pages, or the reason why there is none. Never downloads one. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { Browser } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

/** `REMORA_CHROMIUM`, else the first of the usual names on the PATH. */
export function findChromium(env: Readonly<Record<string, string | undefined>> = process.env): string | undefined {
  const places = (env.PATH ?? "").split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return [...(env.REMORA_CHROMIUM ? [env.REMORA_CHROMIUM] : []), ...places].find(isExecutable);
}

export const NO_CHROMIUM = "no Chromium on this machine: apt-get install chromium, or set REMORA_CHROMIUM";

export async function launchChromium(path: string): Promise<Browser> {
  const { chromium } = await import("playwright-core");
  // Its sandbox needs a user of its own; the pages here are ours.
  return chromium.launch({ executablePath: path, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
