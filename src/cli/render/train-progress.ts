/**
 * A run as a person watches it: one line redrawn in place on a terminal, plain lines elsewhere, and lines that stay for what matters later
 * (evaluations, checkpoints, warnings, samples).
 */
import { counted } from "../../errors/counted.ts";
import type { StepEndEvent, TrainEvent } from "../../training/events.ts";
import type { Io } from "../io.ts";
import { bar, ProgressLine } from "../terminal/progress-line.ts";
import { showBytes, showCount, showPercent, showRate, showScale, showSeconds } from "../terminal/quantities.ts";
import { type Style, styleFor } from "../terminal/style.ts";

export class TrainProgress {
  readonly #io: Io;
  readonly #style: Style;
  readonly #line: ProgressLine;
  #steps = 0;
  #lastStep = "";

  constructor(io: Io) {
    this.#io = io;
    this.#style = styleFor(io.stderr, io.env);
    this.#line = new ProgressLine(io.stderr);
  }

  readonly show = (event: TrainEvent): void => {
    switch (event.event) {
      case "run-start": {
        this.#steps = event.steps;
        const share = showPercent(event.trainableParameters / event.totalParameters);
        const length = event.maxMinutes === undefined ? counted(event.steps, "step") : showSeconds(event.maxMinutes * 60);
        this.#keep(`${this.#style.bold(`${event.method} on ${event.device}`)}  ${event.model}`);
        this.#keep(
          `  ${counted(event.rows, "row")}, ${showCount(event.validationRows)} held out; ${length}; ` +
            `${showScale(event.trainableParameters)} of ${showScale(event.totalParameters)} parameters trained (${share}); ` +
            `about ${showBytes(event.plannedBytes)}`,
        );
        if (event.startStep > 0) this.#keep(`  resumed behind step ${event.startStep}`);
        return;
      }
      case "step-end":
        this.#steps = event.plannedSteps ?? this.#steps;
        this.#lastStep = stepLine(event, this.#steps);
        if (this.#io.stderr.isTerminal) this.#line.update(this.#lastStep);
        else this.#keep(stepLine(event, this.#steps, false));
        return;
      case "eval-start":
        if (this.#io.stderr.isTerminal)
          this.#line.update(`step ${event.step}/${this.#steps}  evaluating ${counted(event.rows, "held-out row")}…`);
        return;
      case "eval-end": {
        this.#line.update(this.#lastStep);
        const best = event.best ? this.#style.green("  best so far") : "";
        this.#keep(`  step ${event.step}: held-out loss ${event.loss.toFixed(4)}, perplexity ${event.perplexity.toFixed(2)}${best}`);
        for (const [name, score] of Object.entries(event.sources ?? {}))
          this.#keep(`    ${name}: loss ${score.loss.toFixed(4)}, ${score.bitsPerByte.toFixed(3)} bits a byte`);
        return;
      }
      case "checkpoint-end":
        this.#keep(this.#style.dim(`  step ${event.step}: checkpoint ${event.path}`));
        return;
      case "sample-end":
        this.#keep(`  step ${event.step}: ${event.prompt}\n    → ${event.answer}`);
        return;
      case "warning":
        this.#keep(`${this.#style.yellow("warning:")} ${event.message}`);
        return;
      case "run-end":
        this.#line.end();
        for (const line of summaryLines(event, this.#style)) this.#io.stderr.write(`${line}\n`);
        return;
    }
  };

  /** Removes the line; for a run that failed. */
  end(): void {
    this.#line.end();
  }

  #keep(text: string): void {
    this.#line.print(text);
  }
}

/** `step 12/200 ▕██▍     ▏ loss 1.2345 · 812 tok/s · 1.20 GB · 3m12s left` */
function stepLine(event: StepEndEvent, steps: number, withBar = true): string {
  const drawn = withBar ? ` ▕${bar(event.step / steps, 12)}▏` : "";
  const parts = [
    `loss ${event.loss.toFixed(4)}`,
    ...(event.skipped ? [`skipped: gradients overflowed at loss scale ${event.lossScale}`] : []),
    showRate(event.tokensPerSecond),
    showBytes(event.memoryBytes),
    `${showSeconds(event.secondsLeft)} left`,
  ];
  return `step ${event.step}/${steps}${drawn} ${parts.join(" · ")}`;
}

function summaryLines(event: Extract<TrainEvent, { event: "run-end" }>, style: Style): string[] {
  const why = {
    completed: "Done",
    interrupted: "Stopped; a checkpoint was written",
    "early-stop": "Stopped early: the held-out loss no longer falls",
  };
  const head = `${style.bold(why[event.reason])}  ${counted(event.steps, "step")}, ${counted(event.tokens, "token")} in ${showSeconds(event.seconds)}`;
  // A run of a step or two has no pace yet.
  const rate = event.tokensPerSecond > 0 ? `${showRate(event.tokensPerSecond)}, ` : "";
  const lines = [`${head} (${rate}peak ${showBytes(event.peakMemoryBytes)})`];
  lines.push(`  training loss ${event.lossFirst.toFixed(4)} → ${event.lossLast.toFixed(4)}`);
  if (event.validationLossFirst !== undefined && event.validationLossBest !== undefined) {
    const at = event.bestStep === undefined ? "" : ` (step ${event.bestStep})`;
    lines.push(`  held-out loss ${event.validationLossFirst.toFixed(4)} → ${event.validationLossBest.toFixed(4)}${at}`);
  }
  if (event.skippedSteps)
    lines.push(`  ${counted(event.skippedSteps, "step")} skipped, whose f16 gradients overflowed; the loss scale was halved each time`);
  if (event.reason === "interrupted") lines.push("  Go on with the same command and --resume.");
  return lines;
}
