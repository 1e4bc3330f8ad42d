/**
 * The first oracle of every op: what PyTorch, Transformers and bitsandbytes compute, in f32. A golden covers forward and backward of one op.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { AttentionRule, Operand, RopeOperand, WeightFormat } from "./backend.ts";
import { packageRoot } from "./cpu/find-library.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { expectClose, TOLERANCE } from "./testing/expect-close.ts";
import { aligned, Golden } from "./testing/golden.ts";
import { decode } from "./testing/number-codec.ts";
import { TestArrays } from "./testing/test-arrays.ts";

describeOnEachDevice("goldens", (device) => {
  let arrays: TestArrays;
  beforeEach(() => {
    arrays = new TestArrays(device.backend());
  });
  afterEach(() => arrays.release());

  /** Poisoned outputs named and shaped as in the file. */
  function outputs<Name extends string>(golden: Golden, ...names: Name[]): Record<Name, Operand> {
    return Object.fromEntries(names.map((name) => [name, arrays.output(name, "f32", golden.shape(name))])) as Record<Name, Operand>;
  }

  /** Gradients that are added to start at zero. */
  function sums<Name extends string>(golden: Golden, ...names: Name[]): Record<Name, Operand> {
    const zeros = (name: Name) => new Float64Array(golden.values(name).length);
    return Object.fromEntries(names.map((name) => [name, arrays.changed(name, "f32", golden.shape(name), zeros(name))])) as Record<
      Name,
      Operand
    >;
  }

  async function expectGolden(golden: Golden, results: Record<string, Operand>, tolerance = TOLERANCE.f32): Promise<void> {
    for (const [name, operand] of Object.entries(results)) {
      expectClose(await arrays.read(operand), golden.values(name), { name, shape: golden.shape(name), tolerance });
    }
  }

  it("rms norm", async () => {
    const golden = new Golden("rms-norm");
    const { y, dX } = outputs(golden, "y", "dX");
    const { dWeight } = sums(golden, "dWeight");
    const [sum, rstd] = [arrays.output("sum", "f32", golden.shape("x")), arrays.output("rstd", "f32", [5])];
    const weight = golden.input(arrays, "weight");
    arrays.reset();
    device
      .backend()
      .rmsNormForward(golden.input(arrays, "x"), golden.input(arrays, "residual"), weight, sum, y, rstd, golden.attribute("eps"));
    device.backend().rmsNormBackward(sum, weight, rstd, golden.input(arrays, "dY"), null, dX, dWeight);
    await expectGolden(golden, { y, dX, dWeight });
  });

  it("layer norm", async () => {
    const golden = new Golden("layer-norm");
    const { y } = outputs(golden, "y");
    const [x, weight, bias] = ["x", "weight", "bias"].map((name) => golden.input(arrays, name));
    device.backend().layerNormForward(x!, null, weight!, bias!, y, golden.attribute("eps"));
    await expectGolden(golden, { y });
  });

  it.each(["rope", "rope-norm"])("%s", async (name) => {
    const golden = new Golden(name);
    const norms = golden.has("queryNorm");
    const rope: RopeOperand = {
      table: golden.input(arrays, "table"),
      rotary: golden.attribute("headDim"),
      eps: golden.attribute("eps"),
      queryNorm: norms ? golden.input(arrays, "queryNorm") : undefined,
      keyNorm: norms ? golden.input(arrays, "keyNorm") : undefined,
    };
    const heads = {
      heads: golden.attribute("heads"),
      keyValueHeads: golden.attribute("keyValueHeads"),
      headDim: golden.attribute("headDim"),
    };
    const { out, dQkv } = outputs(golden, "out", "dQkv");
    const gradients = norms ? sums(golden, "dQueryNorm", "dKeyNorm") : null;
    const [qkv, positions, dOut] = ["qkv", "positions", "dOut"].map((name) => golden.input(arrays, name));
    arrays.reset();
    device.backend().ropeForward(rope, heads, qkv!, positions!, out);
    device.backend().ropeBackward(rope, heads, qkv!, positions!, dOut!, dQkv, gradients?.dQueryNorm ?? null, gradients?.dKeyNorm ?? null);
    await expectGolden(golden, { out, dQkv, ...gradients });
  });

  it.each(["attention", "attention-window", "attention-softcap", "attention-both-ways"])("%s", async (name) => {
    const golden = new Golden(name);
    const rule = Object.fromEntries(
      ["heads", "keyValueHeads", "headDim", "scale", "causal", "window", "softcap"].map((key) => [key, golden.attribute(key)]),
    ) as unknown as AttentionRule;
    const { out, dQkv } = outputs(golden, "out", "dQkv");
    const [qkv, start, end, dOut] = ["qkv", "segmentStart", "segmentEnd", "dOut"].map((name) => golden.input(arrays, name));
    const lse = arrays.output("lse", "f32", [golden.shape("qkv")[0]!, rule.heads]);
    arrays.reset();
    device.backend().attentionForward(rule, qkv!, start!, end!, out, lse);
    device.backend().attentionBackward(rule, qkv!, start!, end!, out, lse, dOut!, dQkv);
    await expectGolden(golden, { out, dQkv });
  });

  it.each(["silu", "gelu-tanh"] as const)("gated %s", async (kind) => {
    const golden = new Golden(`gated-${kind}`);
    const { y, dGateUp } = outputs(golden, "y", "dGateUp");
    const gateUp = golden.input(arrays, "gateUp");
    arrays.reset();
    device.backend().gatedForward(gateUp, y, kind);
    device.backend().gatedBackward(gateUp, golden.input(arrays, "dY"), dGateUp, kind);
    await expectGolden(golden, { y, dGateUp });
  });

  it("gelu", async () => {
    const golden = new Golden("gelu");
    const { erf, tanh } = outputs(golden, "erf", "tanh");
    device.backend().geluForward(golden.input(arrays, "x"), erf, "erf");
    device.backend().geluForward(golden.input(arrays, "x"), tanh, "tanh");
    await expectGolden(golden, { erf, tanh });
  });

  it("linear with LoRA", async () => {
    const golden = new Golden("linear");
    const [Out, In] = golden.shape("weight") as [number, number];
    const [N, rank] = [golden.shape("x")[0]!, golden.shape("a")[0]!];
    const { y, dX } = outputs(golden, "y", "dX");
    const { dA, dB, dWeight, dBias } = sums(golden, "dA", "dB", "dWeight", "dBias");
    const [x, a, b, bias, dY] = ["x", "a", "b", "bias", "dY"].map((name) => golden.input(arrays, name));
    const weight = { format: "f32" as const, rows: Out, cols: In, data: golden.input(arrays, "weight"), path: "weight" };
    const lora = { a: a!, b: b!, aGradient: dA, bGradient: dB, rank, scale: golden.attribute("scale") };
    const group = { parts: [{ weight, lora }], bias, dropout: 0 };
    const [xa, db] = [arrays.output("xa", "f32", [N, rank]), arrays.output("db", "f32", [N, rank])];
    arrays.reset();
    device.backend().linearForward(group, x!, y, xa);
    device.backend().linearBackwardInput(group, dY!, dX, db, xa);
    device.backend().loraBackwardA(group, x!, db);
    device.backend().linearBackwardWeight(x!, dY!, dWeight, dBias, 0);
    await expectGolden(golden, { y, dX, dA, dB, dWeight, dBias });
  });

  it.each(["head-loss", "head-loss-softcap"])("%s", async (name) => {
    const golden = new Golden(name);
    const [V, C] = golden.shape("head") as [number, number];
    const { rowLoss, dH } = outputs(golden, "rowLoss", "dH");
    const { dHead } = sums(golden, "dHead");
    const top1 = arrays.output("top1", "i32", golden.shape("top1"));
    const head = { format: "f32" as const, rows: V, cols: C, data: golden.input(arrays, "head"), path: "lm_head" };
    const lossScale = arrays.input("f32", [1], [golden.attribute("lossScale")]);
    arrays.reset();
    const options = { chunkRows: 4, softcap: golden.attribute("softcap") };
    const [h, targets] = [golden.input(arrays, "h"), golden.input(arrays, "targets")];
    device.backend().headLoss(head, h, targets, lossScale, rowLoss, dH, dHead, top1, options);
    await expectGolden(golden, { rowLoss, dH, dHead });
    expect(await arrays.read(top1)).toEqual(golden.values("top1"));
  });

  it("embedding", async () => {
    const golden = new Golden("embedding");
    const [rows, cols] = golden.shape("table") as [number, number];
    const { y } = outputs(golden, "y");
    const { dTable } = sums(golden, "dTable");
    const ids = golden.input(arrays, "ids");
    arrays.reset();
    const table = { format: "f32" as const, rows, cols, data: golden.input(arrays, "table"), path: "embed_tokens" };
    device.backend().embeddingForward(table, ids, y, golden.attribute("scale"));
    device.backend().embeddingBackward(ids, golden.input(arrays, "dY"), dTable, golden.attribute("scale"));
    await expectGolden(golden, { y, dTable });
  });

  function hyper(golden: Golden, step: number): Operand {
    const [lr, beta1, beta2, eps, decay] = ["lr", "beta1", "beta2", "eps", "weightDecay"].map((name) => golden.attribute(name));
    return arrays.input("f32", [8], [lr!, beta1!, beta2!, eps!, decay!, 1 - beta1! ** step, 1 - beta2! ** step, 0]);
  }

  it("five steps of AdamW with clipping", async () => {
    const golden = new Golden("adamw");
    const params = golden.input(arrays, "params");
    const { m, v } = sums(golden, "m", "v");
    const norm = arrays.output("norm", "f32", [2]);
    arrays.reset();
    for (let t = 0; t < 5; t++) {
      const gradients = golden.input(arrays, `gradients${t}`);
      device.backend().gradientNorm(gradients, norm, golden.attribute("maxNorm"));
      expectClose([(await arrays.read(norm))[0]!], [golden.values("norms")[t]!], { name: "norm", tolerance: 1e-6 });
      device.backend().adamw({ gradients, hyper: hyper(golden, t + 1), clip: { ...norm, byteOffset: 4, shape: [1] }, params, m, v });
      expectClose(await arrays.read(params), golden.values(`params${t}`), { name: `params after step ${t}`, tolerance: 1e-5 });
    }
    await expectGolden(golden, { m, v });
  });

  it("five steps of bitsandbytes' 8-bit AdamW", async () => {
    const golden = new Golden("adamw-8bit");
    const params = golden.input(arrays, "params");
    const count = golden.shape("params")[0]!;
    const blocks = Math.ceil(count / 256);
    const state = {
      m: arrays.changed("m", "u8", [count], new Float64Array(count)),
      v: arrays.changed("v", "u8", [count], new Float64Array(count)),
      mScales: arrays.changed("mScales", "f32", [blocks], new Float64Array(blocks)),
      vScales: arrays.changed("vScales", "f32", [blocks], new Float64Array(blocks)),
    };
    arrays.reset();
    const clip = arrays.input("f32", [1], [1]);
    for (let t = 0; t < 5; t++) {
      device.backend().adamw({ gradients: golden.input(arrays, `gradients${t}`), hyper: hyper(golden, t + 1), clip, params, ...state });
      // bitsandbytes' CPU library looks codes up in a coarse table: about one in 400 differs from the nearest by one step (see kernels/cpu/nf4.cpp).
      expectClose(await arrays.read(params), golden.values(`params${t}`), { name: `params after step ${t}`, tolerance: 2e-3 });
    }
    for (const name of ["m", "v"] as const) {
      const map = golden.values(`${name}Map`);
      const [codes, scales, theirScales] = [
        await arrays.read(state[name]),
        await arrays.read(state[`${name}Scales`]),
        golden.values(`${name}Scales`),
      ];
      const ours = Array.from(codes, (code, i) => map[code]! * scales[i >> 8]!);
      const theirs = Array.from(golden.values(name), (code, i) => map[code]! * theirScales[i >> 8]!);
      expectClose(ours, theirs, { name, tolerance: 0.01 });
    }
  });

  it.each(["nf4-f32", "nf4-bf16"])("%s, to the bit", async (name) => {
    const golden = new Golden(name);
    const [rows, cols] = golden.shape("weight") as [number, number];
    const blocks = (rows * cols) / 64;
    const codes = arrays.output("codes", "u8", golden.shape("codes"));
    const absmax = arrays.output("absmax", "f32", [blocks]);
    const scaleCodes = arrays.output("scaleCodes", "u8", [blocks]);
    const nestedScales = arrays.output("nestedScales", "f32", golden.shape("nestedScales"));
    const offset = arrays.output("offset", "f32", [1]);
    arrays.reset();
    device.backend().nf4Encode(golden.input(arrays, "weight"), codes, absmax);
    expect(await arrays.read(codes)).toEqual(golden.values("codes"));
    expect(await arrays.read(absmax)).toEqual(golden.values("absmax"));
    device.backend().nf4Nest(golden.input(arrays, "absmax"), golden.input(arrays, "nestedCode"), scaleCodes, nestedScales, offset);
    // The CPU adds up the mean in PyTorch's order; reference and CUDA in f64, which is within one unit of the last place here.
    const [found, mean] = [(await arrays.read(offset))[0]!, golden.values("offset")[0]!];
    const unit = 2 ** (Math.floor(Math.log2(mean)) - 23);
    expect(Math.abs(found - mean)).toBeLessThanOrEqual(!device.isReference && device.backend().device.kind === "cpu" ? 0 : unit);
    // Exact, given the offset: every nested scale is a difference from it.
    if (found === mean) expect(await arrays.read(nestedScales)).toEqual(golden.values("nestedScales"));
    else expectClose(await arrays.read(nestedScales), golden.values("nestedScales"), { name: "nestedScales", tolerance: 1e-6 });
    // bitsandbytes' CPU library gives a neighbouring code to about one scale in 400.
    const theirs = golden.values("scaleCodes");
    const apart = Array.from(await arrays.read(scaleCodes), (code, i) => Math.abs(code - theirs[i]!));
    expect(Math.max(...apart)).toBeLessThanOrEqual(1);
    expect(apart.filter((distance) => distance > 0).length / blocks).toBeLessThan(0.02);

    const format = "nf4" as const;
    const plain = { format, rows, cols, data: golden.input(arrays, "codes"), scales: golden.input(arrays, "absmax"), path: name };
    const nested = {
      scales: golden.input(arrays, "nestedScales"),
      code: golden.input(arrays, "nestedCode"),
      offset: golden.values("offset")[0]!,
    };
    const double = { ...plain, scales: golden.input(arrays, "scaleCodes"), nested };
    const dtype = name === "nf4-f32" ? "f32" : "bf16";
    const decoded = arrays.output("decoded", dtype, [4, cols]);
    device.backend().weightDecode(plain, decoded, 0, 4);
    expect((await arrays.read(decoded)).map((value) => value + 0)).toEqual(golden.values("decoded").map((value) => value + 0));
    device.backend().weightDecode(double, decoded, 0, 4);
    expect((await arrays.read(decoded)).map((value) => value + 0)).toEqual(golden.values("decodedNested").map((value) => value + 0));
  });

  it("GGUF blocks as the gguf package reads them", async () => {
    const path = join(packageRoot(), "fixtures", "data", "quant", "gguf-blocks.json");
    const file = JSON.parse(readFileSync(path, "utf8")) as Record<WeightFormat, { bytes: string; values: string }>;
    for (const [format, { bytes, values }] of Object.entries(file) as [WeightFormat, { bytes: string; values: string }][]) {
      const expected = decode("f32", aligned(values));
      const data = arrays.inputBytes("u8", [aligned(bytes).length], aligned(bytes));
      const out = arrays.output(format, "f32", [6, expected.length / 6]);
      device.backend().weightDecode({ format, rows: 6, cols: expected.length / 6, data, path: format }, out, 0, 6);
      // One rounding more or less: ours is d · q + m with a single one.
      expectClose(await arrays.read(out), expected, { name: format, tolerance: 2e-7 });
    }
  });
});
