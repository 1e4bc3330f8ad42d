/** What the ladder gives up, and in which order, for Nemo 12B on cards of several sizes. */
import { describe, expect, it } from "vitest";
import { findLoraSites } from "../models/lora-targets.ts";
import { chooseLadder, type LadderAsked } from "./memory-ladder.ts";
import { NEMO_SHAPE } from "./testing/nemo-shape.ts";

const TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
const adapters = findLoraSites(NEMO_SHAPE, TARGETS, { rank: 16, alpha: 16, rankStabilized: false }).map(
  ({ inFeatures, outFeatures, settings }) => ({
    inFeatures,
    outFeatures,
    rank: settings.rank,
  }),
);
const AUTO: LadderAsked = { recompute: "auto", decodedWeights: "auto", embedding: "auto", optimizerState: "auto", headRows: "auto" };

function choose(
  gigabytes: number,
  batchSize: number,
  asked: Partial<LadderAsked> = {},
  hasOwnMemory = true,
  fp8 = false,
  compute: "bf16" | "f32" = "bf16",
) {
  const settings = {
    method: "qlora",
    base: "nf4",
    embeddingFormat: "bf16",
    compute,
    fp8,
    blockLength: 2048,
    batchSize,
    gradientAccumulation: 1,
    adapters,
  } as const;
  const device = { name: "cuda:0", availableBytes: gigabytes * 1e9, hasOwnMemory };
  return chooseLadder({ ...AUTO, ...asked }, { model: "Nemo", shape: NEMO_SHAPE, settings, device });
}

describe("chooseLadder", () => {
  it("takes the fastest rungs that fit, and gives up the cheapest things first", () => {
    const chosen = (gigabytes: number, batch: number) => {
      const { choice, plan } = choose(gigabytes, batch);
      const { recompute, decodedWeights, embedding, optimizerState, headRows } = choice;
      return `${recompute} ${decodedWeights} embedding:${embedding} ${optimizerState} head:${headRows} ${plan.fits ? "fits" : "too large"}`;
    };
    expect([
      chosen(141, 4),
      chosen(79, 4),
      chosen(48, 4),
      chosen(24, 4),
      chosen(12, 2),
      chosen(9.9, 2),
      chosen(6, 2),
    ]).toMatchInlineSnapshot(`
      [
        "none each-use embedding:device f32 head:1024 fits",
        "none each-use embedding:device f32 head:1024 fits",
        "cheap each-use embedding:device f32 head:1024 fits",
        "layers each-use embedding:device f32 head:1024 fits",
        "host each-use embedding:host f32 head:1024 fits",
        "host each-use embedding:host 8bit head:0 fits",
        "host each-use embedding:host 8bit head:0 too large",
      ]
    `);
  });

  it("agrees with what was measured on a card, within 8%", () => {
    const bytes = (asked: Partial<LadderAsked>, batch: number) =>
      choose(80, batch, { decodedWeights: "each-use", ...asked }).plan.totalBytes / 1e9;
    const measured: [number, number][] = [
      [bytes({ recompute: "cheap", headRows: 1024, optimizerState: "f32", embedding: "device" }, 4), 46.2],
      [bytes({ recompute: "layers", headRows: 1024, optimizerState: "f32", embedding: "device" }, 4), 16.0],
      [bytes({ recompute: "layers", headRows: 0, optimizerState: "8bit", embedding: "host" }, 2), 10.94],
      [bytes({ recompute: "host", headRows: 0, optimizerState: "8bit", embedding: "host" }, 2), 9.31],
    ];
    for (const [planned, found] of measured) expect(Math.abs(planned / found - 1)).toBeLessThan(0.08);
  });

  it("leaves alone what the config fixed, and says who chose, the price and the saving of each rung", () => {
    const { choice, plan } = choose(80, 4, { recompute: "layers", embedding: "host" });
    expect(choice).toMatchObject({ recompute: "layers", embedding: "host" });
    expect(
      plan.ladder!.map(({ rung, by, price, savesBytes }) => `${rung}: ${price}, saves ${(savesBytes / 1e9).toFixed(1)} GB, by ${by}`),
    ).toMatchInlineSnapshot(`
      [
        "recompute: whole layers run again, about 45% slower, saves 43.9 GB, by config",
        "decodedWeights: decoded at each use, as quick as kept without LoRA dropout, saves 21.5 GB, by plan",
        "embedding: rows gathered over the bus, under 1% slower, saves 1.3 GB, by config",
        "optimizerState: f32, saves 0.0 GB, by plan",
        "headRows: large products in the head, saves 0.0 GB, by plan",
      ]
    `);
  });

  it("prices decoding at each use where the adapters' share does not come along: in f32", () => {
    const { plan } = choose(79, 1, { decodedWeights: "each-use" }, true, false, "f32");
    expect(plan.ladder!.find(({ rung }) => rung === "decodedWeights")!.price).toBe("decoded at each use, about 2% slower");
  });

  it("charges fp8 for its codes twice, and leaves no choice about decoded weights", () => {
    const { choice, plan } = choose(79, 4, {}, true, true);
    expect(choice).toMatchObject({ recompute: "none", decodedWeights: "each-use" });
    expect(plan.ladder!.map(({ rung }) => rung)).not.toContain("decodedWeights");
    const item = (name: string) => plan.items.find((candidate) => candidate.name === name)!;
    // 10.9 G linear weights: a byte each, and again transposed; embedding and head stay 2 bytes; one f32 scale for each output.
    const linears = 40 * (6144 * 5120 + 5120 * 4096 + 28672 * 5120 + 5120 * 14336);
    const scales = 4 * 40 * (6144 + 5120 + 28672 + 5120);
    const rest = 2 * 2 * 131072 * 5120 + 4 * 5120 * 81;
    expect(item("base weights")).toMatchObject({ bytes: linears + scales + rest, why: expect.stringContaining("e4m3 made from nf4") });
    expect(item("decoded weights")).toEqual({
      name: "decoded weights",
      bytes: linears,
      why: "e4m3 again, transposed for the backward pass",
    });
    expect(plan.fits).toBe(true);
  });

  it("on a CPU asks about recompute only", () => {
    const { choice, plan } = choose(64, 4, {}, false);
    expect(choice).toEqual({ recompute: "cheap", decodedWeights: "each-use", embedding: "device", optimizerState: "f32", headRows: 0 });
    expect(plan.ladder!.map(({ rung }) => rung)).toEqual(["recompute"]);
    expect(choose(20, 4, {}, false).choice.recompute).toBe("layers");
  });
});
