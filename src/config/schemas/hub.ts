/**
 * `remora push` and `remora pull`: a folder to the Hugging Face Hub, a repository from it.
 */
import { z } from "zod";
import { option, text } from "../option.ts";

const type = option(z.enum(["model", "dataset"]).default("model"), { description: "What the repository holds" });

export const pushSchema = z.strictObject({
  folder: option(text(), {
    description: "What to publish: a merged model, an adapter, or a run's folder (its adapter is taken)",
    placeholder: "folder",
  }),
  repository: option(text(), { description: "Where to: owner/name on the Hub; made when it is not there", placeholder: "owner/name" }),
  type,
  private: option(z.boolean().default(false), {
    description: "Make a new repository private",
    more: "A repository that is there keeps what it is.",
  }),
  revision: option(text().default("main"), { description: "Branch to write to", placeholder: "branch" }),
  message: option(text().optional(), { description: "Commit message", derived: "says what is published", placeholder: "text" }),
  card: option(z.boolean().default(false), {
    description: "Make the model card anew, also when the folder has a README.md",
    more: "Without it a card is made only where there is none.",
  }),
  run: option(text().optional(), {
    description: "The run's folder that the card tells about",
    derived: "the folder itself or the one above, when a run wrote it",
    placeholder: "folder",
  }),
  delete: option(z.boolean().default(false), { description: "Remove files of the repository that the folder does not have" }),
});

export const pullSchema = z.strictObject({
  repository: option(text(), {
    description: "What to fetch: owner/name, owner/name@revision, or owner/name/file.gguf",
    placeholder: "owner/name",
  }),
  type,
  all: option(z.boolean().default(false), {
    description: "Every file, also copies of the same weights for other programs",
    more: "Where a model has safetensors, its PyTorch, ONNX, GGUF and `consolidated` copies are left out.",
  }),
  offline: option(z.boolean().default(false), { description: "Never use the network: say whether the cache has it" }),
});

export type PushConfigInput = z.input<typeof pushSchema>;
export type PullConfigInput = z.input<typeof pullSchema>;
