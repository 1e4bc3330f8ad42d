/** `remora demo` and `remora doctor`: almost nothing to choose. */
import { z } from "zod";
import { count, option, text } from "../option.ts";
import { deviceOptions, seedOption } from "./shared.ts";

const { device, threads } = deviceOptions;

export const demoSchema = z.strictObject({
  device,
  threads,
  seed: seedOption,
  maxSteps: option(count().optional(), {
    description: "Optimizer steps",
    derived: "the demo's own, minutes on two cores",
    placeholder: "n",
  }),
  out: option(text().optional(), {
    description: "Keep the run in this folder",
    derived: "a temporary folder, removed at the end",
    placeholder: "folder",
  }),
});

export const doctorSchema = z.strictObject({
  threads,
  peaks: option(z.boolean().default(false), { description: "Also measure arithmetic and memory peaks, a few seconds" }),
});

export type DemoConfigInput = z.input<typeof demoSchema>;
export type DemoConfig = z.output<typeof demoSchema>;
export type DoctorConfigInput = z.input<typeof doctorSchema>;
export type DoctorConfig = z.output<typeof doctorSchema>;
