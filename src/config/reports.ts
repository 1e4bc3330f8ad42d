/**
 * What commands report, as plain objects: printed as JSON by `--json`, drawn as tables by the command line and the studio.
 *
 * They stand here because every layer may make one and every front door draws them. Sizes are bytes, GB are 10⁹ bytes, times are seconds.
 */

/** One line of a memory plan. */
export interface PlanItem {
  /** `base weights`, `adapters`, `optimizer`, `activations` … */
  name: string;
  bytes: number;
  /** Where the number comes from: `nf4, 12.2 B parameters`. */
  why: string;
}

/** A run priced from shapes alone. */
export interface MemoryPlan {
  model: string;
  device: string;
  method: string;
  items: PlanItem[];
  totalBytes: number;
  /** Free on the device, as far as it may be used. */
  availableBytes: number;
  fits: boolean;
  tokensPerStep?: number;
  /** Estimates; absent when the device's speed is not known. */
  secondsPerStep?: number;
  steps?: number;
  /** What the run gives up to fit: each rung's setting, its price, what it saves against its fastest setting, and who chose it. */
  ladder?: { rung: string; choice: string; price: string; savesBytes: number; by: "plan" | "config" }[];
  /** Changes that make it smaller, the mildest first. */
  knobs: { change: string; totalBytes: number; fits?: boolean; cost?: string }[];
  /** Each derived option with its reason. */
  reasons?: Record<string, string>;
}

/** What the machine offers. */
export interface DoctorReport {
  remora: string;
  node: string;
  platform: string;
  cpu: {
    model: string;
    isas: { name: string; available: boolean; reason: string }[];
    /** The ISA that kernels use, and why. */
    chosen: string;
    chosenReason?: string;
    threads: number;
    memoryBytes: number;
    freeMemoryBytes?: number;
  };
  gpus: { name: string; available: boolean; reason: string; memoryBytes?: number }[];
  /** Self-checks against the reference. */
  kernels: { name: string; ok: boolean; detail: string }[];
  /** Where the native library came from: `prebuilds/linux-x64`, `built here`. */
  library?: string;
  peaks?: { name: string; value: number; unit: string }[];
}

/** How one request is answered, where it differs from the session's own settings. */
export interface AskSettings {
  maxTokens?: number;
  /** 0 is greedy. */
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetitionPenalty?: number;
  seed?: number;
  stop?: readonly string[];
  /** Tokens with their log-probabilities are wanted. */
  logprobs?: boolean;
}

/** Something to answer. A row goes through the template, messages through the model's chat template, a prompt as it is. */
export type AskRequest = (
  | { messages: { role: "system" | "user" | "assistant"; content: string }[] }
  | { row: Record<string, unknown> }
  | { prompt: string }
) & { settings?: AskSettings };

/** A token of an answer; its log-probability is the model's own, before penalties and temperature. */
export interface TokenLogprob {
  token: string;
  logprob: number;
  /** UTF-8: a character may be spread over several tokens. */
  bytes: number[];
}

export interface AskAnswer {
  text: string;
  /** `end`: the model ended its answer; `stop`: a stop text; `length`: maxTokens; `cancelled`: on request. */
  finishReason: "end" | "stop" | "length" | "cancelled";
  promptTokens: number;
  tokens: number;
  seconds: number;
  /** Until the first token, waiting included; absent when there was none or nobody measured it. */
  firstTokenSeconds?: number;
  /** Prompt tokens that were cached already. */
  cachedTokens?: number;
  logprobs?: TokenLogprob[];
}

/** What a session holds: for health pages and for finding leaks. */
export interface SessionStats {
  running: number;
  waiting: number;
  slots: number;
  pages: number;
  /** Held neither by running answers nor by remembered prefixes. */
  freePages: number;
  /** Of the arena: handed out, and taken from the device. */
  usedBytes: number;
  reservedBytes: number;
}

/** Who answers in the demo: the model as it ships, with its new adapter, and merged, saved in 4 bits and read from disk again. */
export type DemoStage = "before" | "after" | "saved";

/** One held-out sentence of the demo, its right answer, and what each stage said. */
export interface DemoSample {
  input: string;
  expected: string;
  answers: Record<DemoStage, string>;
}

/** More sentences that judge the demo: the first `rows` of the `of` in a file. */
export interface DemoTest {
  file: string;
  rows: number;
  of: number;
}

/** chrF of one stage, 0 to 100: over the held-out sentences, and over those of the test file, where there is one. */
export interface DemoScore {
  chrF: number;
  count: number;
  test?: { chrF: number; count: number };
}

/** The demo's own events; those of the training run and of the save come in between. */
export type DemoEvent =
  | {
      event: "demo-start";
      model: string;
      instruction: string;
      rows: number;
      heldOutRows: number;
      test?: DemoTest;
      steps: number;
      out: string;
    }
  | { event: "answers-start"; stage: DemoStage; count: number }
  | { event: "answers-progress"; stage: DemoStage; begun: number; count: number }
  | { event: "answers-end"; stage: DemoStage; score: DemoScore; seconds: number; samples: { input: string; answer: string }[] }
  | { event: "demo-end"; scores: Record<DemoStage, DemoScore>; samples: DemoSample[]; page: string };

/** The last line of `remora demo --json`. */
export interface DemoReport {
  model: string;
  device: string;
  train: { steps: number; tokens: number; tokensPerSecond: number; lossFirst: number; lossLast: number };
  eval: { metric: "chrF"; count: number; before: number; after: number };
  /** The same on the test file, where there is one. */
  test?: { metric: "chrF"; count: number; before: number; after: number };
  saved: { format: string; retained: number; top1: number }[];
  seconds: number;
}

/** What a save proved about itself, as a model card shows it; `proofFigures` takes it out of a `SaveReport`. KL in nats, shares from 0 to 1. */
export interface ProofFigures {
  /** `16bit`, `nf4`, `gguf:q4_k_m`, `adapter`. */
  format: string;
  /** The base model, as the run named it. */
  base: string;
  /** What the adapter was merged into: the original 16-bit weights, or the 4-bit ones that were trained against. */
  mergeBase?: string;
  /** 1 − KL(saved ‖ tuned) / KL(base ‖ tuned). */
  retained: number;
  /** The worst KL(saved ‖ tuned) of a prompt. */
  worstKl: number;
  /** Teacher-forced agreement of the likeliest token with the tuned model's. */
  top1: number;
  perplexity: { base: number; tuned: number; saved: number };
  checks: { name: string; ok: boolean; detail: string }[];
  seconds: number;
  bytes: number;
}

/** One question that a saved model must answer like the tuned one beyond its numbers. */
export interface SaveCheck {
  /** `end of text`, `special tokens`, `chat template`, `prompts`, `generation config`. */
  name: string;
  ok: boolean;
  detail: string;
}

/** How far one model's next-token distributions are from the tuned model's, in nats, over all scored tokens. */
export interface Closeness {
  /** Mean KL(model ‖ tuned). */
  kl: number;
  worstKl: number;
  /** 1 − KL(model ‖ tuned) / KL(base ‖ tuned); null where base and tuned do not differ. */
  retained: number | null;
  /** Share of tokens whose likeliest continuation is the tuned model's. */
  top1: number;
  perplexity: number;
}

/** A save compared with what was trained, on held-out rows. */
export interface SaveProof {
  /** Where the rows come from: `held-out rows of run/config.json`, `rows.jsonl`, `built-in texts`. */
  data: string;
  rows: number;
  /** Tokens scored. */
  tokens: number;
  device: string;
  compute: string;
  saved: Closeness;
  /** Perplexities of what it is compared with, and how far the base alone is from the tuned model. */
  tuned: { perplexity: number };
  base: { kl: number; perplexity: number };
  /** Both ways to take the base for the merge, before anything is rounded for the save; equal where there is one only. */
  mergeBases: Record<"original" | "trained", { kl: number; retained: number | null }>;
  required: { measure: "retained" | "kl"; value: number };
  checks: SaveCheck[];
  /** The row where the save differs most from the tuned model. */
  worst: { prompt: string; expected: string; kl: number; tuned: string; saved: string };
  passed: boolean;
}

/** `save-report.json`, and what `exportModel()` resolves to. A model card shows it. */
export interface SaveReport {
  remora: string;
  /** `16bit`, `nf4`, `gguf` or `adapter`. */
  format: string;
  /** Of `gguf`: `q4_k_m` … */
  type?: string;
  out: string;
  base: { model: string; storedAs: string; trainedAs: string };
  adapters: { path: string; weight: number }[];
  mergeBase: { used: "original" | "trained"; reason: string };
  /** The prompt template that was learnt, by name or as text. */
  template?: string;
  files: { name: string; bytes: number }[];
  bytes: number;
  /** Tensors by their type in the files. */
  tensors: Record<string, number>;
  seconds: { write: number; proof: number };
  /** Most memory held at once while writing, without what files map, and the bytes of the largest tensor of the base in 16 bits. */
  peakMemoryBytes: number;
  largestTensorBytes: number;
  proof: SaveProof;
}

/** A save's progress. */
export type SaveEvent =
  | { event: "save-start"; format: string; out: string; tensors: number; bytes: number }
  | { event: "save-progress"; tensor: string; done: number; total: number }
  | { event: "proof-start"; data: string; rows: number; tokens: number }
  | { event: "save-end"; report: SaveReport };
