import type { MemoryPlan } from "../config/reports.ts";
import { RemoraError } from "./remora-error.ts";

const gb = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;

/** A run would not fit in memory; nothing was loaded. Carries the plan. */
export class PlanError extends RemoraError {
  readonly plan: MemoryPlan;

  constructor(plan: MemoryPlan) {
    const items = plan.items.map(({ name, bytes }) => `${name} ${gb(bytes)}`).join(" · ");
    const helping = plan.knobs.filter((knob) => knob.fits);
    const knobs = (helping.length > 0 ? helping : plan.knobs).slice(0, 3).map((knob) => `${knob.change} (about ${gb(knob.totalBytes)})`);
    super("plan", 2, {
      doing: `Planning the run of ${plan.model}`,
      problem: `it needs ${gb(plan.totalBytes)}; ${plan.device} has ${gb(plan.availableBytes)} free\n  ${items}`,
      next: knobs.length > 0 ? `Try ${knobs.join(", or ")}. --force runs it all the same.` : "Use a smaller model or a larger machine.",
    });
    this.plan = plan;
  }
}
