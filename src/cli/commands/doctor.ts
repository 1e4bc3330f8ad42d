/** `remora doctor`: what the machine offers. Exit code 1 when a kernel is wrong. */
import { doctorSchema } from "../../config/schemas/demo.ts";
import { defineCommand } from "../command.ts";
import { renderDoctor } from "../render/render-doctor.ts";

export const command = defineCommand({
  name: "doctor",
  schema: doctorSchema,
  description: "Show instruction sets, threads, memory and GPUs (and why one cannot be used), and check each kernel against the reference.",
  examples: ["remora doctor", "REMORA_CPU=avx2 remora doctor --peaks"],
  async run({ config, json, library, print, resultStyle }) {
    const report = await library.doctor(config);
    print(json ? JSON.stringify(report) : renderDoctor(report, resultStyle));
    return report.kernels.every((kernel) => kernel.ok) ? 0 : 1;
  },
});
