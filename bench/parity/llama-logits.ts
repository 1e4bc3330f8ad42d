/** llama.cpp through node-llama-cpp as a function: text in, token ids and the logits after each token out. For tests with small vocabularies. */
export interface RunningLlama {
  ask(modelPath: string, text: string): Promise<{ ids: number[]; logits: Map<number, number>[] }>;
  close(): Promise<void>;
}

// The few parts of node-llama-cpp's interface used here, so that type checking does not need it installed.
interface Model {
  tokens: { bos: number | null; shouldPrependBosToken: boolean };
  fileInfo: { metadata: { tokenizer: { ggml: { tokens: readonly string[] } } } };
  tokenize(text: string, specialTokens?: boolean): number[];
  createContext(options: Record<string, unknown>): Promise<{
    getSequence(): {
      controlledEvaluate(
        input: [number, unknown][],
      ): Promise<({ next: { logits?: Map<number, number>; totalLogitWeight?: number } } | undefined)[]>;
    };
    dispose(): Promise<void>;
  }>;
  dispose(): Promise<void>;
}
interface Library {
  getLlama(options: Record<string, unknown>): Promise<{
    loadModel(options: Record<string, unknown>): Promise<Model>;
    dispose(): Promise<void>;
  }>;
}

export async function openLlama(): Promise<RunningLlama> {
  const name: string = "./node_modules/node-llama-cpp/dist/index.js";
  const { getLlama } = (await import(name)) as Library;
  const llama = await getLlama({ gpu: false, build: "never", maxThreads: 2, logLevel: (process.env.LLAMA_LOG ?? "error") as string });
  return {
    async ask(modelPath, text) {
      const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
      const begin = model.tokens.shouldPrependBosToken && model.tokens.bos !== null ? [model.tokens.bos] : [];
      const ids = [...begin, ...model.tokenize(text, false)];
      const context = await model.createContext({
        contextSize: ids.length + 8,
        sequences: 1,
        threads: 2,
        flashAttention: false,
        experimentalKvCacheKeyType: "F32",
        experimentalKvCacheValueType: "F32",
        swaFullCache: true,
      });
      const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
      const request = { generateNext: { logits: { filter: { tokens: [], includeTop: vocabulary } }, totalLogitWeight: true } };
      const results = await context.getSequence().controlledEvaluate(ids.map((id) => [id, request]));
      const logits = results.map((result) => result?.next.logits ?? new Map<number, number>());
      await context.dispose();
      await model.dispose();
      return { ids, logits };
    },
    close: () => llama.dispose(),
  };
}
