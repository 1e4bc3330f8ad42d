import { expect, it } from "vitest";
import { FileAccessError } from "./file-access-error.ts";

const failure = (code: string, message = code) => Object.assign(new Error(message), { code });

it.each([
  [
    "ENOSPC",
    1,
    "Writing out/model.safetensors: the disk is full\n  Free some space and run again; nothing that was there before has been changed.",
  ],
  ["EACCES", 1, "Writing out/model.safetensors: permission was refused\n  Check who owns the file and its folder."],
  ["ENOENT", 2, "Writing out/model.safetensors: there is no such file or folder\n  Check the path."],
  ["EIO", 1, "Writing out/model.safetensors: EIO: broken disk"],
])("%s: says what the system refused, exit code %i", (code, exitCode, message) => {
  const error = new FileAccessError("Writing", "out/model.safetensors", failure(code, `${code}: broken disk`));
  expect([error.message, error.exitCode]).toEqual([message, exitCode]);
});
