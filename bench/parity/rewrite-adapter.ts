/**
 * Reads a PEFT adapter onto its base and writes it again in our own hand, for `peft-reads-ours.py` to load.
 *
 *   npx tsx bench/parity/rewrite-adapter.ts base-folder adapter-folder out-folder
 */
import { openBackend } from "../../src/backend/open-backend.ts";
import { attachAdapter } from "../../src/models/attach-adapter.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { openWeightSource } from "../../src/models/weight-source.ts";
import { Arena } from "../../src/tensor/arena.ts";
import { adapterWeights } from "../../src/training/adapter-weights.ts";

const [base, adapter, out] = process.argv.slice(2);
if (!base || !adapter || !out) throw new Error("usage: rewrite-adapter.ts base-folder adapter-folder out-folder");
const arena = new Arena(await openBackend("cpu"));
const model = await loadModel(arena, openWeightSource(base), { base: "file", compute: "f32" });
attachAdapter(model, adapter, { trainable: false });
await adapterWeights(model, { baseModel: base, template: "raw", dropout: 0 }).save(out);
model.dispose();
