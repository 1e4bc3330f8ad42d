/** `push` and `pull` as a person meets them: what is printed where, exit codes, bad input. The transfers themselves are tested in `src/hub`. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HubWorld, someBytes, TOKEN } from "../hub/testing/hub-world.ts";
import { loadLibrary } from "./library.ts";
import { runCli } from "./run-cli.ts";
import { fakeIo } from "./testing/fake-io.ts";

let world: HubWorld;
beforeEach(async () => {
  world = await HubWorld.start();
  write("model/config.json", "{}");
  write("model/model.safetensors", someBytes(200_000));
});
afterEach(() => world[Symbol.asyncDispose]());

const write = (path: string, content: string | Buffer) => {
  mkdirSync(join(world.root, path, ".."), { recursive: true });
  writeFileSync(join(world.root, path), content);
};
async function remora(words: string[], { env = {}, terminal = false }: { env?: Record<string, string>; terminal?: boolean } = {}) {
  const io = { ...fakeIo({}, { env: { NO_COLOR: "1", ...world.env, ...env }, terminal, columns: 100 }), library: loadLibrary };
  const code = await runCli(words, io);
  const clean = (text: string) =>
    text
      .replaceAll(world.root, "")
      .replaceAll(world.server.endpoint, "HUB")
      .replaceAll(/127\.0\.0\.1:\d+/g, "HOST")
      .replaceAll(/[0-9a-f]{40}/g, "COMMIT")
      .replaceAll(/@[0-9a-f]{12}\b/g, "@COMMIT")
      .replaceAll(/\d+(\.\d+)?m?s\b/g, "TIME");
  expect(io.out() + io.err()).not.toContain(TOKEN);
  return { code, out: clean(io.out()), err: clean(io.err()) };
}
/** A port that was free a moment ago. */
async function addressOfNobody(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}
const at = (path: string) => join(world.root, path);

describe("push", () => {
  it("prints the page on stdout and the rest on stderr", async () => {
    expect(await remora(["push", at("model"), "mira/fish", "--private"])).toMatchInlineSnapshot(`
      {
        "code": 0,
        "err": "push  mira/fish  3 files, 200 kB
      Done  3 files published, 200 kB sent in TIME  (private, new)
      ",
        "out": "HUB/mira/fish
      ",
      }
    `);
    expect(await remora(["push", at("model"), "mira/fish"])).toMatchInlineSnapshot(`
      {
        "code": 0,
        "err": "push  mira/fish  nothing to send (3 unchanged)
      Nothing changed: the repository is as the folder is  (private)
      ",
        "out": "HUB/mira/fish
      ",
      }
    `);
    write("model/config.json", "{ }");
    const { out } = await remora(["push", at("model"), "mira/fish", "--json", "--message", "One more space"]);
    expect(JSON.parse(out)).toMatchObject({
      repository: "mira/fish",
      private: true,
      uploaded: [{ path: "config.json", bytes: 3 }],
      unchanged: 2,
    });
    const repository = world.server.store.find("model", "mira/fish")!;
    expect(world.server.store.at(repository, "main")!.summary).toBe("One more space");
  });

  it("writes a card, keeps it, and makes it anew when told", async () => {
    await remora(["push", at("model"), "mira/fish"]);
    expect(readFileSync(at("model/README.md"), "utf8")).toContain("# fish");
    write("model/README.md", "mine\n");
    await remora(["push", at("model"), "mira/fish"]);
    expect(world.server.read("mira/fish", "README.md")?.toString()).toBe("mine\n");
    await remora(["push", at("model"), "mira/fish", "--card"]);
    expect(world.server.read("mira/fish", "README.md")?.toString()).toContain("# fish");
    await remora(["push", at("model"), "mira/rows", "--type", "dataset"]);
  });

  it("warns of an adapter whose base only this machine has", async () => {
    write("adapter/adapter_config.json", JSON.stringify({ base_model_name_or_path: "/my/models/nemo" }));
    write("adapter/adapter_model.safetensors", someBytes(10));
    const { err } = await remora(["push", at("adapter"), "mira/lora"]);
    expect(err).toContain('warning: adapter_config.json names its base "/my/models/nemo", which others cannot load');
    expect(world.server.read("mira/lora", "README.md")?.toString()).not.toContain("/my/models");
    write("adapter/adapter_config.json", JSON.stringify({ base_model_name_or_path: "lab/nemo" }));
    expect((await remora(["push", at("adapter"), "mira/lora"])).err).not.toContain("warning");
  });

  it("shows a bar with bytes, rate and file on a terminal", async () => {
    const { err } = await remora(["push", at("model"), "mira/fish"], { terminal: true });
    expect(err).toContain("sending ▕████████████████▏ 200 kB of 200 kB");
  });

  it.each([
    ["no words", ["push"]],
    ["a name that is none", ["push", "MODEL", "fish"]],
    ["a word too many", ["push", "MODEL", "mira/fish", "and"]],
    ["no such folder", ["push", "/nowhere/at/all", "mira/fish"]],
    ["somebody else's name", ["push", "MODEL", "somebody/fish"]],
  ])("bad input, exit code 2: %s", async (_, words) => {
    const { code, out, err } = await remora(words.map((word) => (word === "MODEL" ? at("model") : word)));
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatchSnapshot();
  });

  it("refuses a run that saved nothing, and a network that is off", async () => {
    write("run/metrics.jsonl", "");
    expect(await remora(["push", at("run"), "mira/fish"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("it is a run that has saved nothing yet"),
    });
    expect(await remora(["push", at("model"), "mira/fish"], { env: { HF_HUB_OFFLINE: "1" } })).toMatchObject({ code: 1 });
  });
});

describe("pull", () => {
  it("does not try long where nobody answers", async () => {
    const { code, err } = await remora(["pull", "lab/fish"], { env: { HF_ENDPOINT: await addressOfNobody() } });
    expect([code, err]).toMatchInlineSnapshot(`
      [
        1,
        "error: Looking up lab/fish
        the connection to HOST failed (ECONNREFUSED)
        Run the same command again: what was transferred so far is kept.
      ",
      ]
    `);
  });

  it("prints the folder on stdout and the rest on stderr", async () => {
    world.server.seed("lab/fish", { "config.json": "{}", "model.safetensors": someBytes(200_000), "pytorch_model.bin": someBytes(9) });
    expect(await remora(["pull", "lab/fish"])).toMatchInlineSnapshot(`
      {
        "code": 0,
        "err": "pull  lab/fish  3 files, 200 kB (1 left out)
      Done  lab/fish@COMMIT: 3 files, 200 kB; 200 kB fetched in TIME
        left out, as copies for other programs (--all takes them): pytorch_model.bin
      ",
        "out": "/home/hub/models--lab--fish/snapshots/COMMIT
      ",
      }
    `);
    expect(await remora(["pull", "lab/fish@main"])).toMatchInlineSnapshot(`
      {
        "code": 0,
        "err": "pull  lab/fish  nothing to fetch (3 in the cache, 1 left out)
      Done  lab/fish@COMMIT: 3 files, 200 kB; all in the cache already
        left out, as copies for other programs (--all takes them): pytorch_model.bin
      ",
        "out": "/home/hub/models--lab--fish/snapshots/COMMIT
      ",
      }
    `);
    expect(await remora(["pull", "lab/fish", "--offline"])).toMatchInlineSnapshot(`
      {
        "code": 0,
        "err": "In the cache  lab/fish@COMMIT
      ",
        "out": "/home/hub/models--lab--fish/snapshots/COMMIT
      ",
      }
    `);
    expect(JSON.parse((await remora(["pull", "lab/fish", "--all", "--json"])).out)).toMatchObject({
      files: 4,
      receivedBytes: 9,
      skipped: [],
    });
  });

  it.each([
    ["no word", ["pull"]],
    ["no such repository", ["pull", "lab/none"]],
    ["not in the cache", ["pull", "lab/none", "--offline"]],
    ["a name that is none", ["pull", "../x"]],
  ])("bad input, exit code 2: %s", async (_, words) => {
    const { code, out, err } = await remora(words);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatchSnapshot();
  });
});

it("help shows the words and the flags", async () => {
  const { out } = await remora(["push", "--help"]);
  expect(out).toContain("Usage: remora push [options] [folder] [owner/name]");
  expect(out).toContain("--private");
});
