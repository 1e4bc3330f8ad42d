/** `plan`: a run's memory and time from shapes alone. Opens headers, never weights. */
import { openBackend } from "../backend/open-backend.ts";
import { parseConfig } from "../config/parse.ts";
import type { MemoryPlan } from "../config/reports.ts";
import { activationDType, resolveTrainConfig } from "../config/resolve-train.ts";
import { type PlanConfigInput, planSchema } from "../config/schemas/plan.ts";
import type { TrainConfig } from "../config/schemas/train.ts";
import { measureFlops } from "./device-rate.ts";
import type { JobHost } from "./job.ts";
import { openModelFiles } from "./model-files.ts";
import { readRunData } from "./run-data.ts";
import { checkFp8, planRun, trainFacts } from "./train-config.ts";

export async function planJob(input: PlanConfigInput, host: JobHost): Promise<MemoryPlan> {
  const asked = parseConfig(planSchema, input, "Configuring remora plan");
  const files = await openModelFiles(asked.model, asked);
  const backend = await openBackend(asked.device, { threads: asked.threads, cancelFlag: host.cancelFlag });
  try {
    const { data } = asked;
    const config: TrainConfig = { ...asked, data: data ?? [] };
    using read = data === undefined ? undefined : await readRunData(config, files, trainFacts(files, backend), host);
    const resolved = resolveTrainConfig(config, trainFacts(files, backend, read?.facts));
    checkFp8(files, backend, resolved);
    const { plan } = planRun(files, backend, resolved, measureFlops(backend, activationDType(resolved.compute)));
    return data === undefined && asked.maxSteps === undefined ? { ...plan, steps: undefined } : plan;
  } finally {
    backend.dispose();
  }
}
