/** `remora serve`: an OpenAI-compatible API over one model. Ctrl-C or SIGTERM lets running answers finish; a second one ends at once. */
import { serveSchema, sessionSchema } from "../../config/schemas/generate.ts";
import { ConfigError } from "../../errors/config-error.ts";
import { counted } from "../../errors/counted.ts";
import { defineCommand } from "../command.ts";

const DEFAULT_SLOTS = 32;

export const command = defineCommand({
  name: "serve",
  schema: serveSchema,
  description:
    "Answer over HTTP in OpenAI's words: chat completions, completions, embeddings, models, health. Requests are batched as they come. Set REMORA_API_KEY to ask for a key.",
  examples: [
    "remora serve --model remora-tiny",
    "REMORA_API_KEY=… remora serve --model ./base --adapter run/adapter --name helper --host 0.0.0.0 --port 8080",
  ],
  async run({ config, json, io, library, signal, say, print, proseStyle }) {
    const apiKey = io.env[config.apiKeyEnv] || undefined;
    if (apiKey === undefined && !["127.0.0.1", "::1", "localhost"].includes(config.host)) {
      throw new ConfigError(
        "Configuring remora serve",
        [{ path: "host", problem: `${config.host} can be reached by others, and ${config.apiKeyEnv} holds no key` }],
        `Set ${config.apiKeyEnv}, or listen on 127.0.0.1.`,
      );
    }
    const names = Object.keys(sessionSchema.shape);
    const picked = Object.fromEntries(Object.entries(config).filter(([name]) => names.includes(name)));
    const slots = config.slots ?? DEFAULT_SLOTS;
    const { startServer } = await import("../../server/start-server.ts");
    const session = await library.openModel(sessionSchema.parse({ ...picked, slots }));
    let embedder: Awaited<ReturnType<typeof library.openEmbedder>> | undefined;
    try {
      const { device, threads, offline } = config;
      embedder =
        config.embedder === undefined ? undefined : await library.openEmbedder({ model: config.embedder, device, threads, offline });
      const server = await startServer({
        ...config,
        session,
        embedder,
        apiKey,
        maxInFlight: slots + config.maxWaiting,
        timeoutMs: config.timeoutSeconds * 1000,
        drainMs: config.drainSeconds * 1000,
        onFailure: (error) => say(proseStyle.dim(error instanceof Error ? (error.stack ?? error.message) : String(error))),
      });
      say(`${server.name} on ${session.device}, ${counted(slots, "answer")} at once: ${proseStyle.bold(`${server.url}/v1`)}`);
      if (json) print(JSON.stringify({ event: "server-start", url: server.url, model: server.name, device: session.device, slots }));
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      await server.stop();
      if (json) print(JSON.stringify({ event: "server-end", url: server.url }));
      return 0;
    } finally {
      await embedder?.close();
      await session.close();
    }
  },
});
