/** The part of a card that a reader copies from: how to use what was published, from remora and from other programs. */
import type { RunFacts } from "./run-facts.ts";

/** @param repository `owner/name` */
export function howToUse(facts: RunFacts, repository: string): string[] {
  const base = facts.base?.name ?? "BASE";
  switch (facts.kind) {
    case "adapter":
      return [
        ...remora(facts, `--model ${base} --adapter hf://${repository}`),
        ...python("Transformers with PEFT", [
          "from peft import AutoPeftModelForCausalLM",
          "from transformers import AutoTokenizer",
          "",
          `model = AutoPeftModelForCausalLM.from_pretrained("${repository}", device_map="auto")`,
          `tokenizer = AutoTokenizer.from_pretrained("${base}")`,
        ]),
        ...section("llama.cpp, Ollama", "Merge it into a GGUF first; a Modelfile is written beside it.", [
          `npx remora merge --model ${base} --adapter hf://${repository} --format gguf:q4_k_m --out merged`,
          "llama-cli -m merged/*.gguf",
          "ollama create my-model -f merged/Modelfile",
        ]),
      ];
    case "gguf": {
      const file = facts.ggufFiles[0]!;
      return [
        ...remora(facts, `--model hf://${repository}${facts.ggufFiles.length > 1 ? `/${file}` : ""}`),
        ...section("llama.cpp", undefined, [`llama-cli -hf ${repository}`]),
        ...section("Ollama", undefined, [`ollama run hf.co/${repository}`]),
      ];
    }
    default:
      return [
        ...remora(facts, `--model hf://${repository}`),
        ...python(facts.kind === "nf4" ? "Transformers (with bitsandbytes installed)" : "Transformers", [
          "from transformers import AutoModelForCausalLM, AutoTokenizer",
          "",
          `model = AutoModelForCausalLM.from_pretrained("${repository}", device_map="auto")`,
          `tokenizer = AutoTokenizer.from_pretrained("${repository}")`,
        ]),
      ];
  }
}

/** A template of single questions is asked by its fields, a chat by words. */
function remora({ template }: RunFacts, model: string): string[] {
  const byFields = template?.startsWith("instruct") === true;
  const words = byFields ? '--instruction "…" --input "…"' : '"…"';
  return section("remora", undefined, [`npx remora generate ${model} ${words}`, ...(byFields ? [] : [`npx remora chat ${model}`])]);
}

const python = (title: string, lines: string[]): string[] => [`**${title}**`, "", "```python", ...lines, "```", ""];

function section(title: string, words: string | undefined, lines: string[]): string[] {
  return [`**${title}**`, "", ...(words ? [words, ""] : []), "```sh", ...lines, "```", ""];
}
