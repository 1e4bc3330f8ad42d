/** A folder that lives as long as a test: `using folder = new TemporaryFolder()`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class TemporaryFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "remora-data-"));

  file(name: string, content: string | Uint8Array): string {
    const path = join(this.path, name);
    writeFileSync(path, content);
    return path;
  }

  /** The message of the error a function ends in, with this folder's path replaced. */
  async message(run: () => unknown): Promise<string> {
    try {
      await run();
    } catch (error) {
      return (error as Error).message.replaceAll(`${this.path}/`, "");
    }
    return "no error";
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
