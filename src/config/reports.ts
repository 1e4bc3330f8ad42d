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

/** One prompt of the demo with its answers. */
export interface DemoSample {
  input: string;
  expected: string;
  answer: string;
}

/** The demo's own events; a training run's events come in between. */
export type DemoEvent =
  | { event: "demo-start"; model: string; instruction: string; rows: number; heldOutRows: number; steps: number }
  | { event: "answers-start"; stage: "before" | "after"; count: number }
  | {
      event: "answers-end";
      /** `before`: the model as it ships; `after`: with the saved adapter, in an engine of its own. */
      stage: "before" | "after";
      heldOutLoss: number;
      /** 0 to 100. */
      chrF: number;
      count: number;
      samples: DemoSample[];
    };

/** The last line of `remora demo --json`. */
export interface DemoReport {
  model: string;
  device: string;
  train: { steps: number; tokens: number; tokensPerSecond: number; lossFirst: number; lossLast: number };
  eval: { metric: "chrF"; count: number; before: number; after: number };
  seconds: number;
}

/** What a save proved about itself: `save-report.json` in the saved folder. KL in nats, shares from 0 to 1. */
export interface SaveReport {
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
