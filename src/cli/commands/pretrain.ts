/** `remora pretrain`: all weights on token files, from the command line. stdout: the model's folder, or one JSON event a line. */
import { pretrainSchema } from "../../config/schemas/pretrain.ts";
import { defineCommand } from "../command.ts";
import { followRun } from "./follow-run.ts";

export const command = defineCommand({
  name: "pretrain",
  schema: pretrainSchema,
  description: [
    "Train all weights of a model on token files (remora data tokenize), from random weights or from those in its folder. The model is in",
    "<out>/model. Ctrl-C writes a checkpoint; --resume goes on exactly there.",
  ].join(" "),
  examples: [
    "remora pretrain --model ./shape --data books=books.tokens pairs=pairs.tokens --mix books=0.7 pairs=0.3 --max-minutes 8",
    "remora pretrain --config pretrain.yaml --resume",
  ],
  run: (context) => followRun(context, (options) => context.library.pretrain(context.config, options)),
});
