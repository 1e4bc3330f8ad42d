import { RemoraError } from "./remora-error.ts";

/** An optional package that this needs is not installed. */
export class MissingPackageError extends RemoraError {
  readonly packageName: string;

  /** @param version the major and minor that remora was tried with */
  constructor(doing: string, packageName: string, version: string, cause?: unknown) {
    super("missing-package", 1, {
      doing,
      problem: `the package ${packageName} is not installed`,
      next: `Install it beside remora: npm install ${packageName}@${version}`,
      cause,
    });
    this.packageName = packageName;
  }
}
