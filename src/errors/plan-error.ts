import type { MemoryPlan } from "../config/reports.ts";
import { RemoraError } from "./remora-error.ts";

const gb = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;

/** `base weights 8.31 GB · adapters 0.46 GB · …` */
export function planTable({ items }: MemoryPlan): string {
  return items.map(({ name, bytes }) => `${name} ${gb(bytes)}`).join(" · ");
}

/** Up to three changes that make it smaller, those that fit first: `recompute: layers (about 15.48 GB), or …`; "" when there is none. */
export function planKnobs({ knobs }: MemoryPlan): string {
  const helping = knobs.filter((knob) => knob.fits);
  return (helping.length > 0 ? helping : knobs)
    .slice(0, 3)
    .map(({ change, totalBytes }) => `${change} (about ${gb(totalBytes)})`)
    .join(", or ");
}

/** A run would not fit in memory; nothing was loaded. Carries the plan. */
export class PlanError extends RemoraError {
  readonly plan: MemoryPlan;

  constructor(plan: MemoryPlan) {
    const knobs = planKnobs(plan);
    super("plan", 2, {
      doing: `Planning the run of ${plan.model}`,
      problem: `it needs ${gb(plan.totalBytes)}; ${plan.device} has ${gb(plan.availableBytes)} free\n  ${planTable(plan)}`,
      next: knobs ? `Try ${knobs}. --force runs it all the same.` : "Use a smaller model or a larger machine.",
    });
    this.plan = plan;
  }
}
