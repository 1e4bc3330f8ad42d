/**
 * What a run trains: LoRA's adapters, or all weights. Either way one flat f32 buffer of parameters beside one of gradients, so that norm,
 * clipping and the update each run over one array, and a checkpoint is a handful of arrays.
 */
import type { CausalLM } from "../models/causal-lm.ts";
import type { FlatBuffer, FlatLayout } from "../tensor/flat-buffer.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { OptimizerTarget } from "./adamw.ts";

export interface Trainables {
  readonly layout: FlatLayout;
  readonly params: Tensor; // f32 [count]
  readonly gradients: Tensor; // f32 [count]
  /** The same elements by how the optimizer treats them. */
  readonly targets: readonly OptimizerTarget[];
}

export function loraTrainables(model: CausalLM): Trainables {
  const store = model.lora;
  if (!store?.gradients) throw new Error("the model has no trainable adapters");
  const [params, gradients] = [store.weights.tensor, store.gradients.tensor];
  return { layout: store.layout, params, gradients, targets: [{ name: "LoRA", params, gradients, decays: true }] };
}

/**
 * All weights. Entries of `layout` must hold the decayed parameters (matrices) before the others (norms, biases, maybe the embedding).
 * @param decayed elements at the front that weight decay applies to
 * @param computeCopy the weights in the compute dtype, when ops do not read the f32 parameters themselves
 */
export function weightTrainables(params: FlatBuffer, gradients: FlatBuffer, decayed: number, computeCopy?: Tensor): Trainables {
  const total = params.layout.count;
  const target = (name: string, offset: number, count: number, decays: boolean): OptimizerTarget => ({
    name,
    params: params.tensor.view([count], offset),
    gradients: gradients.tensor.view([count], offset),
    // Vectors are read in f32, so only the matrices have a copy.
    weightsOut: decays ? computeCopy : undefined,
    decays,
  });
  return {
    layout: params.layout,
    params: params.tensor,
    gradients: gradients.tensor,
    targets: [target("matrices", 0, decayed, true), target("norms and biases", decayed, total - decayed, false)].filter(
      ({ params: { shape } }) => shape[0]! > 0,
    ),
  };
}
