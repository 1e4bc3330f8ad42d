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
  testFile: option(text().optional(), {
    description: "More sentences to judge it by: a TSV file of Japanese and English without a header line, or rows with input and output",
    derived: "none, unless the project's own test sentences lie beside the checkout",
    placeholder: "path",
  }),
  out: option(text().default("remora-demo"), {
    description: "Folder of the adapter, the saved model and demo.html; an earlier demo in it is replaced",
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
