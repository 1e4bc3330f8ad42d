/** All text of a piped standard input; empty when a person sits there. */
import type { Io } from "../io.ts";

export async function readAll(stdin: Io["stdin"]): Promise<string> {
  if (stdin.isTTY) return "";
  const pieces: Buffer[] = [];
  for await (const piece of stdin) pieces.push(Buffer.from(piece as Uint8Array | string));
  return Buffer.concat(pieces).toString("utf8").replace(/\n$/, "");
}
