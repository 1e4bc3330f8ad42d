/** `remora plan`: what a run would need. Exit code 1 when it does not fit, so that scripts can ask. */
import { planSchema } from "../../config/schemas/plan.ts";
import { defineCommand } from "../command.ts";
import { renderPlan } from "../render/render-plan.ts";

export const command = defineCommand({
  name: "plan",
  schema: planSchema,
  description:
    "Price a run before paying for it: memory by kind and time per step, from the model's shapes alone. Takes every flag of `train`.",
  examples: ["remora plan --model ./Mistral-Nemo-Base-2407 --method qlora", "remora plan --config remora.config.ts"],
  async run({ config, json, library, print, resultStyle }) {
    const plan = await library.plan(config);
    print(json ? JSON.stringify(plan) : renderPlan(plan, resultStyle));
    return plan.fits ? 0 : 1;
  },
});
