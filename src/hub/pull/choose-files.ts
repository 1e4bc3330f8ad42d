/**
 * Which files of a repository are worth fetching. Many hold the same weights several times (PyTorch, TensorFlow, ONNX, the maker's own
 * layout): where there are safetensors, those alone are taken.
 */
import { HubRefusedError } from "../../errors/hub-refused-error.ts";
import type { RemoteFile } from "../client/list-tree.ts";

export interface Choice {
  readonly wanted: readonly RemoteFile[];
  /** Copies that were left out. */
  readonly skipped: readonly RemoteFile[];
}

/** Weights for other programs. `consolidated*` and `original/` are the makers' own layouts of the same tensors. */
const COPIES =
  /(\.(bin|pt|pth|ckpt|h5|msgpack|onnx|onnx_data|tflite|ot|mlmodel|npz|nemo|gguf)|(^|\/)consolidated[^/]*\.safetensors)$|^(original|onnx|openvino|coreml|runs)\//i;

/** @throws HubRefusedError when the choice is the user's */
export function chooseModelFiles(files: readonly RemoteFile[], options: { doing: string; file?: string; all?: boolean }): Choice {
  const { file, all, doing } = options;
  if (file !== undefined) return chooseGguf(files, file, doing);
  if (all) return { wanted: files, skipped: [] };
  const isCopy = ({ path }: RemoteFile) => COPIES.test(path);
  if (files.some(({ path }) => path.endsWith(".safetensors") && !COPIES.test(path))) return split(files, isCopy);
  const ggufs = files.filter(({ path }) => /\.gguf$/i.test(path));
  const models = ggufs.filter(({ path }) => !/-(?!00001)\d{5}-of-\d{5}\.gguf$/i.test(path));
  if (models.length > 1) {
    const names = models.slice(0, 12).map(({ path }) => path);
    throw new HubRefusedError(
      doing,
      0,
      `the repository holds ${models.length} GGUF models`,
      `Name one of them behind the repository, as owner/name/file.gguf, or take everything with --all:\n${names.join(", ")}${models.length > 12 ? " …" : ""}`,
    );
  }
  return ggufs.length > 0 ? split(files, (each) => isCopy(each) && !ggufs.includes(each)) : { wanted: files, skipped: [] };
}

/** A GGUF by name with all its parts, and the small files beside it (card, template notes). */
function chooseGguf(files: readonly RemoteFile[], file: string, doing: string): Choice {
  const stem = file.replace(/-\d{5}-of-(\d{5})\.gguf$/, "-*-of-$1.gguf");
  const sameModel = ({ path }: RemoteFile) => path === file || path.replace(/-\d{5}-of-(\d{5})\.gguf$/, "-*-of-$1.gguf") === stem;
  if (!files.some(sameModel)) {
    const there = files.filter(({ path }) => /\.gguf$/i.test(path)).map(({ path }) => path);
    throw new HubRefusedError(
      doing,
      404,
      `the repository has no ${file}`,
      there.length > 0 ? `It has ${there.slice(0, 12).join(", ")}.` : "It has no GGUF file at all.",
    );
  }
  return split(
    files,
    (each) => !sameModel(each) && (each.size > SMALL_BYTES || COPIES.test(each.path) || each.path.endsWith(".safetensors")),
  );
}

const SMALL_BYTES = 40_000_000;

function split(files: readonly RemoteFile[], isLeftOut: (file: RemoteFile) => boolean): Choice {
  return { wanted: files.filter((file) => !isLeftOut(file)), skipped: files.filter(isLeftOut) };
}
