/**
 * A run's folder: `config.json` (resolved, each default with its reason), `metrics.jsonl`, TensorBoard events, `checkpoints/` and what was
 * trained (`adapter/` or `model/`). Nothing of an earlier run is touched unless the user resumes or forces.
 */
import { appendFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { CheckpointError } from "../errors/checkpoint-error.ts";
import { FileAccessError } from "../errors/file-access-error.ts";
import { OutputExistsError } from "../errors/output-exists-error.ts";
import { writeFileAtomically } from "../formats/atomic-file.ts";
import { makeFolder } from "../formats/make-folder.ts";
import { listCheckpoints, type TrainedWeights } from "./checkpoint.ts";
import type { TrainEvent } from "./events.ts";
import { TensorBoardWriter } from "./tensorboard.ts";

/** What a run writes; `--force` removes exactly these. */
const OWN_NAMES = ["config.json", "metrics.jsonl", "checkpoints", "adapter", "model"];
const OWN_PREFIX = "events.out.tfevents.";

export class RunFolder {
  readonly path: string;
  readonly #metrics: string;
  #board: TensorBoardWriter | undefined;

  constructor(path: string) {
    this.path = path;
    this.#metrics = join(path, "metrics.jsonl");
  }

  get checkpoints(): string {
    return join(this.path, "checkpoints");
  }

  /**
   * Checks the folder before anything is loaded. Writes nothing.
   * @returns the checkpoint to go on from, when resuming
   */
  inspect(options: { resume: boolean; force: boolean }): string | undefined {
    const found = this.#ownEntries();
    if (options.resume) {
      const newest = listCheckpoints(this.checkpoints).at(-1);
      if (newest) return newest.path;
      if (found.length > 0 && !options.force) {
        throw new CheckpointError(this.path, "the run has no whole checkpoint", "Start it again with --force, or choose another --out.");
      }
    } else if (found.length > 0 && !options.force) {
      throw new OutputExistsError(
        this.path,
        "an earlier run",
        "Go on from it with --resume, replace it with --force, or choose another --out.",
      );
    }
    return undefined;
  }

  /** Makes the folder ready for a new run: earlier output is removed (the user asked for it), the config written. */
  async begin(config: unknown, clockSeconds: number, resuming: boolean): Promise<void> {
    try {
      if (!resuming) for (const name of this.#ownEntries()) rmSync(join(this.path, name), { recursive: true, force: true });
    } catch (cause) {
      throw new FileAccessError("Preparing", this.path, cause);
    }
    makeFolder(this.path, "Preparing");
    makeFolder(this.checkpoints, "Preparing");
    if (!resuming) await writeFileAtomically(join(this.path, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
    this.#board = new TensorBoardWriter(this.path, clockSeconds);
  }

  /** What `begin` wrote, or undefined where there is none yet. */
  config(): Readonly<Record<string, unknown>> | undefined {
    const path = join(this.path, "config.json");
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>) : undefined;
  }

  get metricsBytes(): number {
    return existsSync(this.#metrics) ? statSync(this.#metrics).size : 0;
  }

  /** Drops what was logged after the checkpoint that the run goes on from. */
  truncateMetrics(bytes: number): void {
    if (this.metricsBytes > bytes) truncateSync(this.#metrics, bytes);
  }

  log(event: TrainEvent, clockSeconds: number): void {
    appendFileSync(this.#metrics, `${JSON.stringify(event)}\n`);
    if (event.event === "step-end") {
      const { loss, gradNorm, learningRate, tokensPerSecond } = event;
      this.#board?.scalars(clockSeconds, event.step, {
        "train/loss": loss,
        "train/grad_norm": gradNorm,
        "train/learning_rate": learningRate,
        "train/tokens_per_second": tokensPerSecond,
      });
    } else if (event.event === "eval-end") {
      this.#board?.scalars(clockSeconds, event.step, { "eval/loss": event.loss, "eval/perplexity": event.perplexity });
    }
  }

  /** Where the result stands, or "" when none was saved yet. */
  resultPath(name: "adapter" | "model"): string {
    const path = join(this.path, name);
    return existsSync(path) ? path : "";
  }

  /** Saves the trained weights as `adapter/` or `model/`, replacing the former whole. @returns the folder */
  async saveResult(name: "adapter" | "model", weights: TrainedWeights): Promise<string> {
    const target = join(this.path, name);
    const partial = join(this.path, `.${name}.partial`);
    rmSync(partial, { recursive: true, force: true });
    makeFolder(partial, "Writing");
    await weights.save(partial);
    const old = join(this.path, `.${name}.old`);
    rmSync(old, { recursive: true, force: true });
    if (existsSync(target)) renameSync(target, old);
    renameSync(partial, target);
    rmSync(old, { recursive: true, force: true });
    return target;
  }

  #ownEntries(): string[] {
    if (!existsSync(this.path)) return [];
    return readdirSync(this.path).filter((name) => OWN_NAMES.includes(name) || name.startsWith(OWN_PREFIX));
  }
}
