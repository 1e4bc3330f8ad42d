/** Errors across the worker's border: taken apart into data on one side, put together on the other, fields, cause and marker kept. */
import { RemoraError } from "../errors/remora-error.ts";
import type { ErrorData } from "./protocol.ts";

export function toErrorData(error: unknown): ErrorData {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), fields: {}, isRemora: false };
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(error)) {
    if (name !== "cause" && name !== "name" && isPlain(value)) fields[name] = value;
  }
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    fields,
    isRemora: RemoraError.isInstance(error),
    cause: error.cause === undefined ? undefined : toErrorData(error.cause),
  };
}

export function fromErrorData(data: ErrorData): Error {
  const cause = data.cause ? fromErrorData(data.cause) : undefined;
  let error: Error;
  if (data.isRemora) {
    const { code, exitCode, doing, problem, next } = data.fields as {
      code: string;
      exitCode: number;
      doing: string;
      problem: string;
      next?: string;
    };
    error = new RemoraError(code, exitCode, { doing, problem, next, cause });
  } else error = new Error(data.message, { cause });
  const { stack } = data;
  Object.assign(error, data.fields, { name: data.name }, stack === undefined ? {} : { stack });
  return error;
}

function isPlain(value: unknown): boolean {
  return value === null || ["string", "number", "boolean", "undefined"].includes(typeof value) || Array.isArray(value);
}
