import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Repository } from "../client/repository.ts";
import type { TransferEvent } from "../events.ts";
import { everyFile, HubWorld, someBytes, TOKEN } from "../testing/hub-world.ts";
import { type PushOptions, pushFolder } from "./push-folder.ts";

const REPOSITORY: Repository = { type: "model", owner: "mira", name: "fish" };
/** Five parts and one whole object under the test's sizes. */
const FILES: Readonly<Record<string, Buffer>> = {
  "config.json": Buffer.from('{"model_type":"llama"}\n'),
  "model.safetensors": someBytes(450_000),
  "adapter.safetensors": someBytes(50_000, 2),
  "deep/notes.txt": Buffer.from("海\n"),
};

let world: HubWorld;
let folder: string;
beforeEach(async () => {
  world = await HubWorld.start({ partBytes: 100_000 });
  folder = join(world.root, "out");
  for (const [path, content] of Object.entries(FILES)) write(path, content);
});
afterEach(() => world[Symbol.asyncDispose]());

const write = (path: string, content: string | Buffer) => {
  mkdirSync(join(folder, path, ".."), { recursive: true });
  writeFileSync(join(folder, path), content);
};
const push = (changes: Partial<PushOptions> = {}, hub = world.connect()) =>
  pushFolder(hub, {
    folder,
    repository: REPOSITORY,
    private: false,
    message: "Upload a fish",
    notesFolder: join(world.root, "home/remora/uploads"),
    ...changes,
  });
const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "nothing was thrown",
    (error: Error) => error.message.replaceAll(world.root, "").replaceAll(/127\.0\.0\.1:\d+/g, "HOST"),
  );
const expectWhole = () => {
  for (const [path, content] of Object.entries(FILES)) expect(world.server.read("mira/fish", path)?.equals(content), path).toBe(true);
};
const commits = () => world.server.store.find("model", "mira/fish")!.commits.size;
const puts = () => world.server.lines(/^PUT/);

describe("pushFolder", () => {
  it("makes the repository and sends everything in one commit", async () => {
    const report = await push();
    expectWhole();
    expect(report).toMatchObject({ created: true, private: false, unchanged: 0, deleted: [], sentBytes: 500_000, revision: "main" });
    expect(report.uploaded.map(({ path }) => path)).toEqual(Object.keys(FILES).sort());
    expect(report.url).toBe(`${world.server.endpoint}/mira/fish`);
    expect(puts()).toHaveLength(6);
    expect(commits()).toBe(2);
    const repository = world.server.store.find("model", "mira/fish")!;
    expect(world.server.store.at(repository, report.commit)!.summary).toBe("Upload a fish");
  });

  it("sends nothing when nothing changed, and only what did", async () => {
    await push();
    expect(await push()).toMatchObject({ created: false, uploaded: [], unchanged: 4, sentBytes: 0 });
    expect(commits()).toBe(2);
    write("config.json", '{"model_type":"qwen3"}\n'); // of the same length
    const before = puts().length;
    expect(await push()).toMatchObject({ uploaded: [{ path: "config.json", bytes: 23 }], unchanged: 3, sentBytes: 0 });
    expect(puts().length).toBe(before);
  });

  it("knows content that the Hub has under another name", async () => {
    await push();
    write("copy.safetensors", FILES["model.safetensors"]!);
    expect(await push()).toMatchObject({ sentBytes: 0, uploaded: [{ path: "copy.safetensors", bytes: 450_000 }] });
    expect(world.server.read("mira/fish", "copy.safetensors")?.equals(FILES["model.safetensors"]!)).toBe(true);
  });

  it("keeps what the folder does not have, unless told to remove it", async () => {
    await push();
    rmSync(join(folder, "deep"), { recursive: true });
    expect(await push()).toMatchObject({ deleted: [], uploaded: [] });
    expect(world.server.read("mira/fish", "deep/notes.txt")).toBeDefined();
    expect(await push({ delete: true })).toMatchObject({ deleted: ["deep/notes.txt"] });
    expect(world.server.read("mira/fish", "deep/notes.txt")).toBeUndefined();
    expect(world.server.read("mira/fish", ".gitattributes")).toBeDefined();
  });

  it("makes private repositories, and never publishes to a public one what should be private", async () => {
    expect(await push({ private: true })).toMatchObject({ created: true, private: true });
    expect(world.server.store.find("model", "mira/fish")!.private).toBe(true);
    expect(await push()).toMatchObject({ private: true, created: false });
    world.server.store.create("model", "mira/open", false);
    expect(await failure(push({ private: true, repository: { ...REPOSITORY, name: "open" } }))).toMatchInlineSnapshot(`
      "Publishing to mira/open: expected a private repository, found a public one
        Make it private on the Hub first, or leave out --private."
    `);
  });

  it("writes to a branch and into an organisation, models and data sets", async () => {
    await push({ revision: "try/one" });
    expect(world.server.read("mira/fish", "config.json", "try/one")).toEqual(FILES["config.json"]);
    expect(world.server.read("mira/fish", "config.json")).toBeUndefined();
    await push({ repository: { type: "dataset", owner: "lab", name: "rows" } });
    expect(world.server.read("lab/rows", "config.json", "main", "dataset")).toEqual(FILES["config.json"]);
  });

  it("says how far it is", async () => {
    const events: TransferEvent[] = [];
    await push({ onEvent: (event) => events.push(event) });
    expect(events.find(({ event }) => event === "transfer-start")).toMatchObject({ direction: "push", files: 4, bytes: 500_027 });
    expect(events.at(-1)).toMatchObject({ event: "transfer-progress", doneBytes: 500_000, totalBytes: 500_000 });
  });

  it("leaves out what systems leave behind", async () => {
    for (const path of [".git/config", ".DS_Store", "deep/.cache/x", "__pycache__/a.pyc"]) write(path, "x");
    expect((await push()).uploaded).toHaveLength(4);
  });
});

describe("a network that fails", () => {
  const STEPS: [string, RegExp][] = [
    ["revision", /GET .*\/revision\//],
    ["create", /POST \/api\/repos\/create/],
    ["tree", /GET .*\/tree\//],
    ["preupload", /POST .*\/preupload\//],
    ["batch", /POST .*objects\/batch/],
    ["part", /PUT \/uploads\/[^/]+\/\d/],
    ["whole object", /PUT \/uploads\/[^/]+$/],
    ["completion", /POST \/uploads\/.*\/complete/],
    ["verify", /POST .*\/lfs\/verify/],
    ["commit", /POST .*\/commit\//],
  ];

  it.each(STEPS)("rides out drops, lost answers, 429 and 5xx at every step: %s", async (_, match) => {
    world.server.inject({ match, fault: { kind: "drop" } });
    world.server.inject({ match, fault: { kind: "status", status: 429, headers: { "Retry-After": "3" } } });
    world.server.inject({ match, fault: { kind: "status", status: 502 } });
    await push();
    expectWhole();
    world.server.heal();
    world.server.inject({ match, fault: { kind: "drop-answer" } });
    await push({ repository: { ...REPOSITORY, name: "lost" } });
    expect(world.server.read("mira/lost", "model.safetensors")?.equals(FILES["model.safetensors"]!)).toBe(true);
    expect(world.server.store.find("model", "mira/lost")!.commits.size).toBe(2); // an answer that was lost makes no second commit
  });

  it.each(STEPS)("interrupted for good and run again, it completes: %s", async (_, match) => {
    world.server.inject({ match, fault: { kind: "drop" }, times: 40 });
    expect(await failure(push())).toContain("Run the same command again");
    world.server.heal();
    await push();
    expectWhole();
    expect(commits()).toBe(2);
  });

  it("does not send parts again that arrived, in a new run either", async () => {
    world.server.inject({ match: /PUT .*\/5$/, fault: { kind: "drop-after", bytes: 10_000 }, times: 4 });
    await failure(push());
    const notes = join(world.root, "home/remora/uploads");
    expect(readdirSync(notes)).toHaveLength(1);
    expect(statSync(join(notes, readdirSync(notes)[0]!)).mode & 0o077).toBe(0);
    const before = puts().length;
    const report = await push();
    expectWhole();
    expect(
      puts()
        .slice(before)
        .filter((line) => /\/\d$/.test(line)),
    ).toEqual([expect.stringMatching(/\/5$/)]);
    expect(report.sentBytes).toBeLessThan(110_000);
    expect(readdirSync(notes)).toEqual([]);
  });

  it("asks for new addresses when the signed ones expired", async () => {
    world.server.inject({ match: /PUT .*\/5$/, fault: { kind: "drop" }, times: 4 });
    await failure(push());
    world.server.storage.expireAddresses();
    await push();
    expectWhole();
  });

  it("compares again when somebody else commits in between", async () => {
    await push();
    write("config.json", "{}\n");
    world.server.inject({
      match: /POST .*\/commit\//,
      fault: { kind: "status", status: 412, body: '{"error":"A commit has happened since."}' },
    });
    expect(await push()).toMatchObject({ uploaded: [{ path: "config.json", bytes: 3 }] });
    expect(world.server.read("mira/fish", "config.json")?.toString()).toBe("{}\n");
  });

  it("stops when told to, and goes on later", async () => {
    const controller = new AbortController();
    const onEvent = (event: TransferEvent) => {
      if (event.event === "transfer-progress" && event.doneBytes > 100_000) controller.abort();
    };
    expect(await failure(push({ onEvent }, world.connect({ signal: controller.signal })))).toContain("stopped on request");
    await push();
    expectWhole();
  });
});

describe("what is refused", () => {
  it("without a token, with one that may not write, and with one that expired", async () => {
    expect(await failure(push({}, world.connect({}, { HF_TOKEN: "" })))).toMatchInlineSnapshot(`
      "Looking up mira/fish: HOST answered 401: there is no such repository, or it is private and no token was sent: Repository not found
        Check the name. For a private repository set HF_TOKEN, or run \`hf auth login\`."
    `);
    expect(await failure(push({ repository: { ...REPOSITORY, owner: "somebody" } }))).toMatchInlineSnapshot(`
      "Making the repository somebody/fish: HOST answered 403: the token may not do this: You don't have the rights to create a model under the namespace "somebody"
        Use a token that may write to this repository, or ask its owner."
    `);
    world.server.expire(TOKEN);
    expect(await failure(push())).toMatchInlineSnapshot(`
      "Looking up mira/fish: HOST answered 401: the token is not accepted (expired, revoked, or of another Hub): Invalid credentials in Authorization header
        Make a new token in the Hub's settings and set HF_TOKEN."
    `);
  });

  it("a folder that is not whole: nothing is sent", async () => {
    write("model-2.safetensors.123.partial", "x");
    expect(await failure(push())).toMatchInlineSnapshot(`
      "Preparing to publish /out: it is not finished: model-2.safetensors.123.partial is still being written, or its writing was interrupted
        Finish that first, or remove the file."
    `);
    rmSync(join(folder, "model-2.safetensors.123.partial"));
    write("model.safetensors.index.json", '{"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}}');
    write("model-1.safetensors", "x");
    expect(await failure(push())).toMatchInlineSnapshot(`
      "Preparing to publish /out: it is not whole: /out lacks 1 of 2 shards
        Save the model again, then publish it."
    `);
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    expect(await failure(push())).toContain("it holds no files");
    expect(await failure(push({ folder: join(folder, "none") }))).toContain("there is no such file or folder");
    expect(world.server.requests).toEqual([]);
  });

  it("shows no token, whatever fails", async () => {
    const seen: unknown[] = [];
    const faults = [
      { kind: "drop" },
      { kind: "status", status: 500, body: `echo ${TOKEN}` },
      { kind: "status", status: 400, body: `{"error":"bad ${TOKEN}"}` },
    ] as const;
    for (const fault of faults) {
      for (const match of [/GET/, /POST .*preupload/, /PUT/, /commit/]) {
        world.server.inject({ match, fault, times: 40 });
        await push({ onEvent: (event) => seen.push(event) }).catch((error) =>
          seen.push(error, String(error.stack), error.cause && String(error.cause.stack)),
        );
        world.server.heal();
      }
    }
    seen.push(world.connect());
    const { inspect } = await import("node:util");
    const text = seen.map((each) => inspect(each, { depth: 9, showHidden: true }) + JSON.stringify(each)).join("\n");
    expect(text).toContain("[secret]");
    expect(text).not.toContain(TOKEN);
    for (const content of everyFile(world.root).values()) expect(content.includes(TOKEN)).toBe(false);
  });
});
