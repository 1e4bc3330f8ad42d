/** What the machine offers, and whether each kernel agrees with the reference. */
import type { DoctorReport } from "../../config/reports.ts";
import { counted } from "../../errors/counted.ts";
import { showBytes } from "../terminal/quantities.ts";
import type { Style } from "../terminal/style.ts";
import { tableLines } from "../terminal/table.ts";

export function renderDoctor(report: DoctorReport, style: Style): string {
  const mark = (ok: boolean) => (ok ? style.green("✓") : style.dim("–"));
  const { cpu } = report;
  const free = cpu.freeMemoryBytes === undefined ? "" : ` (${showBytes(cpu.freeMemoryBytes)} free)`;
  const lines = [`${style.bold(`remora ${report.remora}`)}  Node ${report.node}, ${report.platform}`, "", style.bold("CPU")];
  lines.push(`  ${cpu.model}; ${counted(cpu.threads, "thread")}; ${showBytes(cpu.memoryBytes)} memory${free}`);
  lines.push(
    ...tableLines(
      cpu.isas.map((isa) => [mark(isa.available), isa.name, isa.name === cpu.chosen ? style.green("used") : "", style.dim(isa.reason)]),
      "llll",
    ),
  );
  if (cpu.chosenReason) lines.push(`  ${cpu.chosen}: ${cpu.chosenReason}`);
  if (report.library) lines.push(`  native library: ${report.library}`);
  lines.push("", style.bold("GPUs"));
  if (report.gpus.length === 0) lines.push("  none found");
  lines.push(
    ...tableLines(
      report.gpus.map((gpu) => [
        mark(gpu.available),
        gpu.name,
        gpu.memoryBytes === undefined ? "" : showBytes(gpu.memoryBytes),
        style.dim(gpu.reason),
      ]),
      "llrl",
    ),
  );
  const failed = report.kernels.filter((kernel) => !kernel.ok);
  const verdict =
    failed.length === 0 ? style.green(`${report.kernels.length} of ${report.kernels.length} right`) : style.red(`${failed.length} wrong`);
  lines.push("", `${style.bold("Kernels")}  ${verdict}`);
  lines.push(
    ...tableLines(
      report.kernels.map((kernel) => [kernel.ok ? style.green("✓") : style.red("✗"), kernel.name, style.dim(kernel.detail)]),
      "lll",
    ),
  );
  if (report.peaks && report.peaks.length > 0) {
    lines.push(
      "",
      style.bold("Peaks"),
      ...tableLines(
        report.peaks.map((peak) => [peak.name, peak.value.toPrecision(3), peak.unit]),
        "lrl",
      ),
    );
  }
  return lines.join("\n");
}
