/** A save's proof as a model card shows it. */
import type { ProofFigures, SaveReport } from "./reports.ts";

function proofFigures({ format, type, base, mergeBase, adapters, proof, seconds, bytes }: SaveReport): ProofFigures {
  return {
    format: type === undefined ? format : `${format}:${type}`,
    base: base.model,
    ...(adapters.length > 0 ? { mergeBase: `${mergeBase.used} weights` } : {}),
    // Nothing was learnt: nothing could be lost.
    retained: proof.saved.retained ?? 1,
    worstKl: proof.saved.worstKl,
    top1: proof.saved.top1,
    perplexity: { base: proof.base.perplexity, tuned: proof.tuned.perplexity, saved: proof.saved.perplexity },
    checks: proof.checks,
    seconds: seconds.write,
    bytes,
  };
}

/** From what stands in `save-report.json`; undefined when that is not a report. */
export function readProofFigures(json: Readonly<Record<string, unknown>> | undefined): ProofFigures | undefined {
  const report = json as Partial<SaveReport> | undefined;
  const whole = report?.proof?.saved && report.base && report.mergeBase && report.adapters && report.seconds;
  return whole ? proofFigures(report as SaveReport) : undefined;
}
