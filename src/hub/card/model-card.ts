/**
 * A model card from what a run and a save left on disk: YAML for the Hub's filters, then what it is, what it was made from, how well it went,
 * whether it was saved right, and how to use it. Only figures that were measured; what is not known is left out.
 */
import { stringify } from "yaml";
import { counted } from "../../errors/counted.ts";
import { howToUse } from "./how-to-use.ts";
import type { RunFacts, SavedKind } from "./run-facts.ts";

/** What the base's own card says. */
export interface BaseCard {
  readonly license?: string;
  readonly licenseName?: string;
  readonly licenseLink?: string;
}

export interface CardOptions {
  /** `owner/name` */
  readonly repository: string;
  readonly base: BaseCard;
  /** ISO 639-1. */
  readonly languages: readonly string[];
  /** Name of the loss curve's file, when there is one. */
  readonly picture: string | undefined;
}

const KINDS: Readonly<Record<SavedKind, { words: string; library: string; tags: string[] }>> = {
  adapter: { words: "A LoRA adapter", library: "peft", tags: ["lora"] },
  "16bit": { words: "A model in 16 bits", library: "transformers", tags: [] },
  nf4: { words: "A model in 4 bits (NF4, bitsandbytes' layout)", library: "transformers", tags: ["4-bit", "bitsandbytes", "nf4"] },
  gguf: { words: "A GGUF model", library: "gguf", tags: ["gguf", "llama.cpp"] },
};

export function modelCard(facts: RunFacts, options: CardOptions): string {
  const { repository } = options;
  const { words } = KINDS[facts.kind];
  const link = facts.base?.onHub ? `[${facts.base.name}](https://huggingface.co/${facts.base.name})` : facts.base?.name;
  const parts = [
    frontMatter(facts, options),
    `# ${repository.slice(repository.indexOf("/") + 1)}`,
    "",
    `${words}${link ? ` ${facts.kind === "adapter" ? "for" : "made from"} ${link}` : ""}, tuned with remora.`,
    "",
    "## Use it",
    "",
    ...howToUse(facts, repository),
    ...trainingSection(facts),
    ...curveSection(facts, options.picture),
    ...proofSection(facts),
  ];
  return `${parts.join("\n").trimEnd()}\n`;
}

function frontMatter({ kind, base, data, config }: RunFacts, { base: card, languages }: CardOptions): string {
  const datasets = data.filter(({ onHub }) => onHub).map(({ name }) => name);
  const fields = {
    ...(languages.length > 0 ? { language: languages } : {}),
    ...(card.license ? { license: card.license } : {}),
    ...(card.licenseName ? { license_name: card.licenseName } : {}),
    ...(card.licenseLink ? { license_link: card.licenseLink } : {}),
    library_name: KINDS[kind].library,
    pipeline_tag: "text-generation",
    ...(base?.onHub ? { base_model: base.name, base_model_relation: kind === "adapter" ? "adapter" : "finetune" } : {}),
    ...(datasets.length > 0 ? { datasets } : {}),
    tags: [...new Set(["remora", ...KINDS[kind].tags, ...(config?.method === "qlora" ? ["qlora"] : [])])],
  };
  return `---\n${stringify(fields)}---\n`;
}

function trainingSection({ config, data, template, start, end }: RunFacts): string[] {
  if (!config && !template) return [];
  const lora = config?.lora as Record<string, unknown> | undefined;
  const isLora = config?.method !== "full" && lora !== undefined;
  const held = typeof end?.validationLossFirst === "number" && typeof end.validationLossBest === "number";
  const rows: [string, string | undefined][] = [
    [
      "data",
      data.length > 0
        ? data.map(({ name, onHub }) => (onHub ? `[${name}](https://huggingface.co/datasets/${name})` : name)).join(", ")
        : undefined,
    ],
    ["rows", count(start?.rows) && `${count(start?.rows)} trained on, ${count(start?.validationRows) ?? 0} held out`],
    ["template", template === undefined ? undefined : template.includes("\n") || template.length > 40 ? "its own, below" : template],
    ["method", isLora ? `${config?.method}, rank ${lora.rank}, alpha ${lora.alpha}${lora.rsLora ? ", rsLoRA" : ""}` : text(config?.method)],
    ["linears", isLora ? [lora.targets].flat().join(", ") : undefined],
    ["steps", count(end?.steps) && `${count(end?.steps)}, ${figure(config?.epochs)} ${config?.epochs === 1 ? "epoch" : "epochs"}`],
    [
      "batch",
      config &&
        `${config.batchSize} × ${config.blockLength} tokens${Number(config.gradientAccumulation) > 1 ? `, ${config.gradientAccumulation} passes a step` : ""}`,
    ],
    ["learning rate", config && `${config.learningRate}, ${config.schedule}`],
    ["seed", text(config?.seed)],
    ["training loss", end && `${figure(end.lossFirst)} → ${figure(end.lossLast)}`],
    [
      "held-out loss",
      held ? `${figure(end.validationLossFirst)} → **${figure(end.validationLossBest)}** (step ${end.bestStep})` : undefined,
    ],
    [
      "held-out perplexity",
      held ? `${figure(Math.exp(Number(end.validationLossFirst)))} → **${figure(Math.exp(Number(end.validationLossBest)))}**` : undefined,
    ],
  ];
  const known = rows.filter((row): row is [string, string] => row[1] !== undefined && row[1] !== "");
  const own = template !== undefined && (template.includes("\n") || template.length > 40) ? ["```", template.trimEnd(), "```", ""] : [];
  return ["## How it was made", "", "| | |", "|---|---|", ...known.map(([name, value]) => `| ${name} | ${cell(value)} |`), "", ...own];
}

function curveSection({ training, heldOut }: RunFacts, picture: string | undefined): string[] {
  if (picture === undefined) return [];
  const words = heldOut.length > 0 ? "Training and held-out loss" : "Training loss";
  return [`![${words} over ${counted(training.length, "step")}](${picture})`, ""];
}

/** A report may come from a later version: what is absent or of another kind is left out. */
function proofSection({ proof }: RunFacts): string[] {
  if (!proof) return [];
  const { perplexity } = proof;
  const rows: [string, string | undefined][] = [
    ["saved as", text(proof.format)],
    ["merged into", text(proof.mergeBase)],
    ["of what was learnt, kept", share(proof.retained)],
    ["likeliest token agrees", share(proof.top1)],
    ["worst prompt, KL", typeof proof.worstKl === "number" ? `${figure(proof.worstKl)} nats` : undefined],
    [
      "perplexity",
      perplexity ? `${figure(perplexity.base)} base, ${figure(perplexity.tuned)} tuned, ${figure(perplexity.saved)} as saved` : undefined,
    ],
    ...(Array.isArray(proof.checks)
      ? proof.checks.map(({ name, ok, detail }): [string, string] => [String(name), `${ok ? "✓" : "✗"} ${detail ?? ""}`.trim()])
      : []),
  ];
  const known = rows.filter((row): row is [string, string] => row[1] !== undefined && row[1] !== "");
  if (known.length === 0) return [];
  const words = "After saving, the files were opened again and compared with the model as it was tuned, in memory, on held-out rows.";
  return [
    "## Proof of the save",
    "",
    words,
    "",
    "| | |",
    "|---|---|",
    ...known.map(([name, value]) => `| ${cell(name)} | ${cell(value)} |`),
    "",
  ];
}

const text = (value: unknown): string | undefined => (typeof value === "string" || typeof value === "number" ? String(value) : undefined);
const figure = (value: unknown): string =>
  typeof value === "number" && Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "?";
const count = (value: unknown): string | undefined => (typeof value === "number" ? value.toLocaleString("en-US") : undefined);
const share = (value: unknown): string | undefined =>
  typeof value === "number" && Number.isFinite(value) ? `${(100 * value).toFixed(2)}%` : undefined;
const cell = (value: string): string => value.replace(/\r?\n/g, " ").replaceAll("|", "\\|");
