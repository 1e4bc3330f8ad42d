/** A running server over a small random model, and a fake encoder whose vectors are counts of letters. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeTinyModel } from "../../cli/testing/tiny-model.ts";
import { openModel, type Session } from "../../engine/index.ts";
import type { Embedder } from "../../retrieval/embedder.ts";
import { type RunningServer, type ServerOptions, startServer } from "../start-server.ts";

export interface TestServer extends RunningServer {
  readonly session: Session;
  readonly failures: unknown[];
  close(): Promise<void>;
}

export async function openTestServer(changes: Partial<ServerOptions> = {}): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), "remora-server-"));
  const session = await openModel({
    model: await writeTinyModel(folder),
    threads: 1,
    compute: "f32",
    maxTokens: 16,
    slots: 4,
    device: "cpu",
  });
  const failures: unknown[] = [];
  const server = await startServer({
    session,
    name: "tiny",
    host: "127.0.0.1",
    port: 0,
    maxBodyBytes: 100_000,
    maxInFlight: 32,
    timeoutMs: 60_000,
    drainMs: 60_000,
    onFailure: (error) => failures.push(error),
    ...changes,
  });
  return {
    ...server,
    session,
    failures,
    async close() {
      await server.stop();
      await session.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Texts with the same letters lie close together. */
export function letterEmbedder(): Embedder {
  return {
    name: "letters",
    dimensions: 26,
    async embed(texts) {
      return texts.map((text) => {
        const vector = new Float32Array(26);
        for (const letter of text.toLowerCase()) {
          const at = letter.charCodeAt(0) - 97;
          if (at >= 0 && at < 26) vector[at]!++;
        }
        const length = Math.hypot(...vector) || 1;
        return vector.map((value) => value / length);
      });
    },
    countTokens: async (texts) => texts.map(({ length }) => length),
    close: async () => {},
  };
}
