/**
 * `remora plan`: exactly a run's options, so that the file that plans is the file that trains. The data may be absent: shapes alone are
 * enough for memory and the time of a step.
 */
import type { z } from "zod";
import { option, textOrList } from "../option.ts";
import { checkTrainOptions, trainOptions } from "./train.ts";

export const planSchema = trainOptions
  .extend({
    data: option(textOrList().optional(), {
      description: "Training rows; only their lengths are used",
      derived: "none: full blocks are assumed",
      placeholder: "path...",
    }),
  })
  .check(checkTrainOptions as never);

export type PlanConfigInput = z.input<typeof planSchema>;
