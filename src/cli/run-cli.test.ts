import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { CancelledError } from "../errors/cancelled-error.ts";
import { ShapeError } from "../errors/shape-error.ts";
import { runCli } from "./run-cli.ts";
import { fakeIo } from "./testing/fake-io.ts";
import { fakeLibrary, RUN_EVENTS } from "./testing/fake-library.ts";

const folder = mkdtempSync(join(tmpdir(), "remora-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function remora(words: string, options: Parameters<typeof fakeIo>[1] = {}, library = fakeLibrary()) {
  const io = fakeIo(library, options);
  const code = await runCli(words === "" ? [] : words.split(" "), io);
  return { code, out: io.out(), err: io.err(), library, io };
}

describe("help", () => {
  test("remora --help lists the commands, on stdout", async () => {
    const { code, out, err } = await remora("--help");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatchInlineSnapshot(`
      "Usage: remora [options] [command]

      Fine-tune open language models from TypeScript: data in, adapter out, proven.

      Options:
        -V, --version  output the version number
        -h, --help     display help for command

      Commands:
        demo           Tune the small model that ships with remora: offline, in
                       minutes
        doctor         What this machine offers, and whether the kernels are right
        data           Look at training data before paying for training
        plan           Memory and time of a run, from shapes alone
        train          Tune a model: LoRA, QLoRA or all weights
        pretrain       Train all weights on token files, from nothing or on
        generate       Ask a model, with or without an adapter
        chat           Talk with a model
        push           Publish a model or an adapter on the Hugging Face Hub
        pull           Fetch a model from the Hugging Face Hub into the cache
        index          Make documents searchable: full text, and vectors where there
                       is an encoder
        ask            Answer a question from indexed documents, with sources
        eval           Compare variants on the same questions: did tuning help, did
                       documents?
        report         The page of a comparison, with your notes or beside an earlier
                       run
        questions      Make questions from documents, each checked, with an
                       unanswerable twin
        debate         Let models debate questions until a judge finds an answer, or
                       none
        merge          Save a tuned model for others, proven: 16-bit, NF4, GGUF
        serve          Answer over HTTP, in OpenAI's words

      Start with \`remora demo\`. \`remora <command> --help\` shows a command's flags.
      "
    `);
  });

  test("remora alone shows help on stderr and is bad usage", async () => {
    const { code, out, err } = await remora("");
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain("Usage: remora");
  });

  test("remora help train is remora train --help; flags come from the schema", async () => {
    const { code, out } = await remora("help train");
    expect(code).toBe(0);
    expect(out).toContain("--lora-rank <n>");
    expect(out).toContain("--method <lora|qlora|full>");
    expect(out).toContain("--no-packing");
    expect(out).not.toContain("  --packing");
  });

  test("remora --version", async () => {
    expect((await remora("--version")).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("bad usage: exit code 2, nothing on stdout, nothing called", () => {
  test.each([
    ["trian --model m", "unknown command"],
    ["train --model m --data d --rank 4 --lerning-rate 1 extra", "unknown flags"],
    ["train extra --model m --data d", "an extra word"],
    ["train --batch-size x --method lorra --columns a", "values"],
    ["train --model", "a flag without its value"],
    ["train --config absent.yaml", "an absent config file"],
    ["data", "half a command"],
    ["generate --model m", "nothing to ask"],
    ["generate --model m --instruction a b", "two questions"],
  ])("remora %s", async (words) => {
    const { code, out, err, library } = await remora(words);
    expect({ code, out, calls: library.calls }).toEqual({ code: 2, out: "", calls: [] });
    expect(err).toMatchSnapshot();
  });

  test("with --json the error is also on stdout, as data", async () => {
    const { code, out } = await remora("plan --json");
    expect(code).toBe(2);
    expect(JSON.parse(out)).toEqual({
      error: { code: "config", doing: "Configuring remora plan", problem: "model: required, found nothing" },
    });
  });
});

describe("flags, file, defaults", () => {
  test("flags win over the file, the file over defaults; lists, pairs and booleans", async () => {
    const path = join(folder, "run.yaml");
    writeFileSync(path, "model: from-file\ndata: [a.jsonl, b.jsonl]\nlora: { rank: 4, dropout: 0.1 }\nseed: 7\n");
    const { code, library } = await remora(
      `train --config ${path} --model flag --lora-rank 8 --lora-targets q_proj v_proj --no-packing --columns instruction=question output=a=b --constants system=x`,
    );
    expect(code).toBe(0);
    expect(library.calls[0]!.config).toMatchObject({
      model: "flag",
      data: ["a.jsonl", "b.jsonl"],
      lora: { rank: 8, dropout: 0.1, targets: ["q_proj", "v_proj"] },
      seed: 7,
      packing: false,
      columns: { instruction: "question", output: "a=b" },
      constants: { system: "x" },
      method: "lora",
    });
  });

  test("one target that is no plain name is a pattern", async () => {
    const { library } = await remora("train --model m --data d --lora-targets .*q_proj$");
    expect(library.calls[0]!.config).toMatchObject({ lora: { targets: ".*q_proj$" } });
  });
});

describe("train", () => {
  test("plain lines on stderr, the adapter on stdout", async () => {
    const { code, out, err } = await remora("train --model tiny --data d");
    expect({ code, out }).toEqual({ code: 0, out: "run/adapter\n" });
    expect(err).toMatchInlineSnapshot(`
      "lora on cpu  tiny
        100 rows, 5 held out; 2 steps; 4.88 M of 135 M parameters trained (3.6%); about 1.30 GB
      warning: 3 rows are longer than a block and were cut
      step 1/2 loss 2.5000 · 812 tok/s · 1.20 GB · 13s left
        step 1: held-out loss 1.7500, perplexity 5.75  best so far
      step 2/2 loss 1.2500 · 812 tok/s · 1.20 GB · 0ms left
        step 2: 雨です。
          → It is rain.
        step 2: checkpoint run/checkpoints/step-2
      Done  2 steps, 4,096 tokens in 5.0s (812 tok/s, peak 1.23 GB)
        training loss 2.5000 → 1.2500
        held-out loss 2.4000 → 1.5000 (step 2)
      "
    `);
  });

  test("--json: one event a line", async () => {
    const { out } = await remora("train --model tiny --data d --json");
    expect(
      out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual(RUN_EVENTS);
  });

  test("the first Ctrl-C aborts and the exit code is 130, the second ends at once", async () => {
    const library = fakeLibrary();
    const io = fakeIo(library);
    let aborted: boolean | undefined;
    library.train = async (_, options) => {
      io.interrupt();
      aborted = options?.signal?.aborted;
      io.interrupt();
      throw new CancelledError("Training");
    };
    expect(await runCli(["train", "--model", "m", "--data", "d"], io)).toBe(130);
    expect({ aborted, exits: io.exits, err: io.err() }).toEqual({
      aborted: true,
      exits: [130],
      err: "\nStopping… Ctrl-C again ends at once.\n\nStopped.\n",
    });
  });

  test("an interrupted run that wrote its checkpoint is 130 too", async () => {
    const library = fakeLibrary();
    const train = library.train;
    library.train = async (config) => ({ ...(await train(config)), reason: "interrupted" });
    expect((await remora("train --model m --data d", {}, library)).code).toBe(130);
  });
});

describe("errors", () => {
  const failing = (error: unknown) => {
    const library = fakeLibrary();
    library.train = async () => {
      throw error;
    };
    return library;
  };

  test("on purpose: three parts, the error's own exit code, no stack", async () => {
    const error = new ShapeError("model.layers.7.mlp.down_proj", [576, 1536], [576, 1537], "Is this the right model?");
    const { code, err } = await remora("train --model m --data d", {}, failing(error));
    expect(code).toBe(2);
    expect(err).toMatchInlineSnapshot(`
      "error: model.layers.7.mlp.down_proj
        expected [576, 1536], found [576, 1537]
        Is this the right model?
      "
    `);
  });

  test("not on purpose: exit code 1 and how to report", async () => {
    const { code, err } = await remora("train --model m --data d", {}, failing(new TypeError("x is not a function")));
    expect(code).toBe(1);
    expect(err).toMatchInlineSnapshot(`
      "error: Something went wrong inside remora
        TypeError: x is not a function
        This is a bug. Please report it with what you ran, \`remora doctor --json\`, and the output of the same command with REMORA_DEBUG=1.
      "
    `);
  });

  test("a full disk", async () => {
    const error = Object.assign(new Error("ENOSPC: no space left on device, write"), {
      code: "ENOSPC",
      syscall: "write",
      path: "run/metrics.jsonl",
    });
    const { code, err } = await remora("train --model m --data d", {}, failing(error));
    expect(code).toBe(1);
    expect(err).toMatchInlineSnapshot(`
      "error: write run/metrics.jsonl
        the disk is full
        Free some space, or write to another disk with --out; what was written before is complete.
      "
    `);
  });

  test("REMORA_DEBUG=1 adds the stack", async () => {
    const { err } = await remora("train --model m --data d", { env: { REMORA_DEBUG: "1" } }, failing(new Error("deep")));
    expect(err).toContain("run-cli.test.ts");
  });

  test("--json train: the error is an event", async () => {
    const { out } = await remora("train --model m --data d --json", {}, failing(new Error("deep")));
    expect(JSON.parse(out)).toMatchObject({ event: "error", error: { code: "unexpected", problem: "Error: deep" } });
  });
});
