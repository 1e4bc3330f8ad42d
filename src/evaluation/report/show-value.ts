/** Figures as a report prints them. */
import type { Metric } from "../eval/metrics.ts";

export function showValue(value: number, unit: Metric["unit"]): string {
  switch (unit) {
    case "share":
      return `${(100 * value).toFixed(1)}%`;
    case "seconds":
      return value < 10 ? `${value.toFixed(2)} s` : `${value.toFixed(0)} s`;
    case "dollars":
      return `$${value.toFixed(value < 0.01 ? 5 : 3)}`;
    case "rate":
      return value.toFixed(0);
    case "number":
      return value < 10 ? value.toFixed(1) : value.toFixed(0);
  }
}
