/** What the parity scripts take from the package: safetensors in and out. */
export { readTensorBytes } from "../../src/formats/file-bytes.ts";
export { readSafetensors } from "../../src/formats/safetensors-reader.ts";
export { type TensorEntry, writeSafetensors } from "../../src/formats/safetensors-writer.ts";
