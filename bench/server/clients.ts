/** Clients of the server that measure what they feel: the time to the first token, and the rate after it. */
export interface Felt {
  readonly firstTokenSeconds: number;
  readonly tokensPerSecond: number;
  readonly tokens: number;
  readonly seconds: number;
  /** Longest pause between two pieces of text. */
  readonly longestPauseSeconds: number;
}

export async function streamOne(url: string, model: string, prompt: string, maxTokens: number, seed: number): Promise<Felt> {
  const start = performance.now();
  const body = { model, prompt, max_tokens: maxTokens, temperature: 1, seed, stream: true, stream_options: { include_usage: true } };
  const response = await fetch(`${url}/v1/completions`, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(await response.text());
  let first: number | undefined;
  let last = start;
  let pause = 0;
  let tokens = 0;
  let rest = "";
  for await (const bytes of response.body!.pipeThrough(new TextDecoderStream())) {
    rest += bytes;
    const frames = rest.split("\n\n");
    rest = frames.pop()!;
    for (const frame of frames) {
      if (frame === "data: [DONE]") continue;
      const chunk = JSON.parse(frame.slice("data: ".length));
      if (chunk.usage) tokens = chunk.usage.completion_tokens;
      if (!chunk.choices[0]?.text) continue;
      const now = performance.now();
      if (first === undefined) first = now;
      else pause = Math.max(pause, now - last);
      last = now;
    }
  }
  const end = performance.now();
  first ??= end;
  return {
    firstTokenSeconds: (first - start) / 1000,
    tokensPerSecond: (tokens - 1) / Math.max((end - first) / 1000, 1e-3),
    tokens,
    seconds: (end - start) / 1000,
    longestPauseSeconds: pause / 1000,
  };
}

export function spread(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!.toFixed(3);
  return `least ${at(0)}, median ${at(0.5)}, 95% ${at(0.95)}, most ${at(1)}`;
}
