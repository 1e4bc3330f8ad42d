/** LanceDB, loaded when it is first needed: an optional package with a native library of a hundred megabytes. */
import { MissingPackageError } from "../../errors/missing-package-error.ts";

export type Lance = typeof import("@lancedb/lancedb");

/** @throws MissingPackageError with the line that installs it */
export async function openLance(doing: string, load: () => Promise<Lance> = importLance): Promise<Lance> {
  try {
    return await load();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND" || /Cannot find (module|package)/.test((cause as Error).message)) {
      throw new MissingPackageError(doing, "@lancedb/lancedb", "0.31", cause);
    }
    throw cause;
  }
}

async function importLance(): Promise<Lance> {
  // It logs "No existing dataset, it will be created" as a warning for every new table.
  process.env.LANCEDB_LOG ??= "error";
  return import("@lancedb/lancedb");
}
