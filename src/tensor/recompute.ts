/**
 * Recompute of a segment (gradient checkpointing, Chen et al. 2016, arXiv:1604.06174): forward keeps only the segment's inputs; backward
 * runs the segment again on a tape of its own and walks back through that.
 */
import { type KeptTensor, Tape } from "./tape.ts";
import { Tensor } from "./tensor.ts";

/**
 * @param inputs everything non-parameter that `body` reads and that may need a gradient
 * @param body must compute the same values each time it runs
 * @returns what `body` returns
 */
export function recompute(
  tape: Tape,
  name: string,
  inputs: readonly Tensor[],
  body: (tape: Tape, inputs: readonly Tensor[]) => readonly Tensor[],
): readonly Tensor[] {
  if (!tape.isRecording) return body(tape, inputs);
  const outputs = tape.withoutRecording(() => tape.scope(name, () => body(tape, inputs)));
  const kept = inputs.map((input) => (tape.policy === "host" ? keepOnHost(tape, input) : tape.keep(input)));
  tape.record({
    name,
    inputs,
    outputs,
    kept,
    backward(dOutputs) {
      const inner = new Tape(tape.arena, { recording: true });
      const gradients: (Tensor | undefined)[] = [];
      inner.scope(`${name} again`, () => {
        const aliases = kept.map((entry, index) => {
          const tensor = entry.get();
          const alias = tensor.view(tensor.shape);
          alias.requiresGradient = inputs[index]!.requiresGradient;
          return alias;
        });
        const seeds = new Map<Tensor, Tensor>();
        const again = inner.scope(name, () => body(inner, aliases));
        for (const [index, output] of again.entries()) {
          const gradient = dOutputs[index];
          if (gradient) seeds.set(output, gradient);
        }
        const found = inner.backward(seeds, aliases);
        for (const alias of aliases) gradients.push(found.get(alias)?.retain());
        return [];
      });
      for (const gradient of gradients) if (gradient) tape.adopt(gradient);
      return gradients;
    },
  });
  return outputs;
}

/** A copy in the host's memory, brought back when backward asks; on a device without memory of its own the tensor itself. */
function keepOnHost(tape: Tape, input: Tensor): KeptTensor {
  const { host } = tape.arena;
  if (!host) return tape.keep(input);
  const copy = Tensor.take(host, input.dtype, input.shape, `${input.label} on the host`);
  tape.backend.copy(input, copy);
  return {
    get() {
      const back = tape.allocate(copy.dtype, copy.shape, input.label);
      tape.backend.copy(copy, back);
      return back;
    },
    release: (by) => copy.release(by),
  };
}
