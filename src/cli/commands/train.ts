/** `remora train`: a run from the command line. stdout: the adapter's folder, or one JSON event a line. */
import { trainSchema } from "../../config/schemas/train.ts";
import { defineCommand } from "../command.ts";
import { followRun } from "./follow-run.ts";

export const command = defineCommand({
  name: "train",
  schema: trainSchema,
  description: [
    "Tune a model on rows of instructions and answers, or on plain text. A model and data are enough; everything else is derived, and the",
    "run's config.json says why. The adapter is in <out>/adapter, in PEFT's layout. Ctrl-C writes a checkpoint; --resume goes on exactly there.",
  ].join(" "),
  examples: [
    "remora train --model ./SmolLM2-135M --data rows.jsonl",
    "remora train --model ./Qwen3-0.6B --data rows.csv --columns instruction=question output=answer --method qlora --epochs 2 --out run",
    "remora train --config remora.config.ts --resume",
  ],
  run: (context) => followRun(context, (options) => context.library.train(context.config, options)),
});
