/** A memory plan as a table, the largest part first, and what to turn when it does not fit. */
import type { MemoryPlan } from "../../config/reports.ts";
import { counted } from "../../errors/counted.ts";
import { showBytes, showPercent, showRate, showSeconds } from "../terminal/quantities.ts";
import type { Style } from "../terminal/style.ts";
import { tableLines } from "../terminal/table.ts";

export function renderPlan(plan: MemoryPlan, style: Style): string {
  const lines = [`${style.bold(`${plan.method} of ${plan.model} on ${plan.device}`)}`];
  const share = (bytes: number) => style.dim(plan.totalBytes > 0 ? showPercent(bytes / plan.totalBytes) : "");
  const items = [...plan.items].sort((a, b) => b.bytes - a.bytes);
  lines.push(
    ...tableLines(
      [
        ...items.map((item) => [item.name, showBytes(item.bytes), share(item.bytes), style.dim(item.why)]),
        [style.bold("together"), style.bold(showBytes(plan.totalBytes)), "", ""],
        ["available", showBytes(plan.availableBytes), "", ""],
      ],
      "lrrl",
    ),
  );
  lines.push(
    plan.fits ? style.green("It fits.") : style.red(`It does not fit: ${showBytes(plan.totalBytes - plan.availableBytes)} too much.`),
  );
  if (plan.ladder?.length)
    lines.push(
      "Memory ladder:",
      ...tableLines(
        plan.ladder.map(({ rung, choice, price, savesBytes, by }) => [
          rung,
          choice,
          savesBytes > 0 ? `saves ${showBytes(savesBytes)}` : "",
          style.dim(by === "config" ? `${price} (set by you)` : price),
        ]),
        "llrl",
      ),
    );
  if (plan.secondsPerStep !== undefined) lines.push(timeLine(plan, plan.secondsPerStep));
  if (plan.knobs.length > 0) {
    lines.push(plan.fits ? "To make it smaller:" : "What would help, the mildest first:");
    lines.push(
      ...tableLines(
        plan.knobs.map((knob) => {
          const fits = (knob.fits ?? knob.totalBytes <= plan.availableBytes) ? style.green("fits") : style.red("still too much");
          return [knob.change, showBytes(knob.totalBytes), fits, style.dim(knob.cost ?? "")];
        }),
        "lrll",
      ),
    );
  }
  const reasons = Object.entries(plan.reasons ?? {});
  if (reasons.length > 0) {
    lines.push(
      "Chosen for you:",
      ...tableLines(
        reasons.map(([path, reason]) => [path, style.dim(reason)]),
        "ll",
      ),
    );
  }
  return lines.join("\n");
}

function timeLine(plan: MemoryPlan, secondsPerStep: number): string {
  const rate = plan.tokensPerStep === undefined ? "" : `, ${showRate(plan.tokensPerStep / secondsPerStep)}`;
  const all =
    plan.steps === undefined
      ? ""
      : `; ${counted(plan.steps, "step")} ${plan.steps === 1 ? "takes" : "take"} about ${showSeconds(plan.steps * secondsPerStep)}`;
  return `About ${showSeconds(secondsPerStep)} a step${rate}${all}.`;
}
