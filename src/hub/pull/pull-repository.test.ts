import { spawn } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Repository } from "../client/repository.ts";
import type { TransferEvent } from "../events.ts";
import { everyFile, HubWorld, someBytes, TOKEN } from "../testing/hub-world.ts";
import { type PullOptions, pullRepository } from "./pull-repository.ts";

const REPOSITORY: Repository = { type: "model", owner: "lab", name: "fish" };
const LARGE = someBytes(700_000);
const FILES = { "config.json": '{"model_type":"llama"}\n', "model.safetensors": LARGE, "deep/er/notes.txt": "sea\n" };

let world: HubWorld;
let commit: string;
beforeEach(async () => {
  world = await HubWorld.start();
  commit = world.server.seed("lab/fish", FILES);
});
afterEach(() => world[Symbol.asyncDispose]());

const pull = (changes: Partial<PullOptions> = {}, hub = world.connect()) =>
  pullRepository(hub, { cache: world.cache, repository: REPOSITORY, ...changes });
const root = () => join(world.cache, "models--lab--fish");
const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "nothing was thrown",
    (error: Error) => error.message.replaceAll(world.root, "").replaceAll(/127\.0\.0\.1:\d+/g, "HOST"),
  );
const expectWhole = () => {
  for (const [path, content] of Object.entries(FILES)) {
    expect(readFileSync(join(root(), "snapshots", commit, path)).equals(Buffer.from(content))).toBe(true);
  }
};
const leftovers = () => [...everyFile(world.cache).keys()].filter((name) => /incomplete|partial|\.remora|stale|\.tmp/.test(name));

describe("pullRepository", () => {
  it("fills the standard cache: blobs by hash, relative links, the reference", async () => {
    const report = await pull();
    expectWhole();
    expect(report).toMatchObject({ commit, files: 4, reused: 0, folder: join(root(), "snapshots", commit), revision: "main" });
    expect(readFileSync(join(root(), "refs", "main"), "utf8")).toBe(commit);
    const file = world.server.store.at(world.server.store.find("model", "lab/fish")!, "main")!.files.get("model.safetensors")!;
    expect(readlinkSync(join(root(), "snapshots", commit, "model.safetensors"))).toBe(`../../blobs/${file.sha256}`);
    expect(readlinkSync(join(root(), "snapshots", commit, "deep/er/notes.txt"))).toMatch(/^\.\.\/\.\.\/\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/);
    expect(leftovers()).toEqual([]);
  });

  it("fetches nothing twice, and only what changed when the branch moves", async () => {
    await pull();
    expect(await pull()).toMatchObject({ reused: 4, receivedBytes: 0 });
    const before = world.server.lines(/resolve/).length;
    const next = world.server.seed("lab/fish", { "config.json": '{"model_type":"qwen3"}\n' });
    expect(await pull()).toMatchObject({ commit: next, reused: 3, receivedBytes: 23 });
    expect(world.server.lines(/resolve/).length - before).toBe(1);
    expectWhole(); // the older snapshot is still there
    expect(await pull({ revision: commit })).toMatchObject({ commit, receivedBytes: 0 });
  });

  it("reads a tree of many pages", async () => {
    world.server.routes.settings.pageSize = 2;
    await pull();
    expectWhole();
    expect(world.server.lines(/tree/)).toHaveLength(3);
  });

  it("says how far it is", async () => {
    const events: TransferEvent[] = [];
    await pull({ onEvent: (event) => events.push(event) });
    expect(events[0]).toMatchObject({ event: "transfer-start", direction: "pull", files: 4, unchanged: 0 });
    const last = events.at(-1)!;
    expect(last).toMatchObject({ event: "transfer-progress" });
    if (last.event === "transfer-progress") expect(last.doneBytes).toBe(last.totalBytes);
  });

  it("uses hard links or copies where symbolic links are refused", async () => {
    const makeLink = async () => {
      throw Object.assign(new Error("EPERM"), { code: "EPERM" });
    };
    await pull({ makeLink });
    expectWhole();
    expect(lstatSync(join(root(), "snapshots", commit, "config.json")).isSymbolicLink()).toBe(false);
    expect(await pull({ makeLink })).toMatchObject({ receivedBytes: 0 });
  });

  it("fetches data sets into their own folder", async () => {
    world.server.seed("lab/fish", { "rows.jsonl": "{}\n" }, "dataset");
    const { folder } = await pull({ repository: { ...REPOSITORY, type: "dataset" } });
    expect(folder).toContain("datasets--lab--fish");
    expect(readFileSync(join(folder, "rows.jsonl"), "utf8")).toBe("{}\n");
  });
});

describe("a network that fails", () => {
  it("goes on where the connection broke, with the range and the ETag of what it has", async () => {
    world.server.inject({ match: /GET \/objects/, fault: { kind: "drop-after", bytes: 200_000 }, times: 3 });
    const report = await pull();
    expectWhole();
    expect(report.receivedBytes).toBe(report.bytes); // nothing was sent twice
    const ranges = world.server.requests.filter(({ server }) => server === "storage").map(({ range }) => range);
    expect(ranges[0]).toBeUndefined();
    expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range ?? ""))).toBe(true);
  });

  it("is not worn out by many drops, as long as each attempt gets further", async () => {
    world.server.inject({ match: /GET \/objects/, fault: { kind: "drop-after", bytes: 66_000 }, times: 20 });
    await pull();
    expectWhole();
  });

  it("gives up when nothing moves, and the next run completes it", async () => {
    world.server.inject({ match: /GET \/objects/, fault: { kind: "drop-after", bytes: 300_000 } });
    world.server.inject({ match: /GET \/objects/, fault: { kind: "drop" }, times: 4 });
    expect(await failure(pull())).toMatchInlineSnapshot(`
      "Downloading model.safetensors of lab/fish: the connection to HOST failed (UND_ERR_SOCKET)
        Run the same command again: what was transferred so far is kept."
    `);
    expect(existsSync(join(root(), "snapshots"))).toBe(false);
    expect(existsSync(join(root(), "refs"))).toBe(false);
    world.server.heal();
    const report = await pull();
    expectWhole();
    expect(report.receivedBytes).toBeLessThan(450_000);
    expect(world.server.requests.at(-1)?.range).toMatch(/^bytes=\d+-$/);
    expect(leftovers()).toEqual([]);
  });

  it.each([
    ["whoever asks: revision", /GET .*\/revision\//],
    ["tree", /GET .*\/tree\//],
    ["resolve", /GET .*\/resolve\//],
    ["storage", /GET \/objects/],
  ])("rides out drops, 429 and 5xx at every step: %s", async (_, match) => {
    world.server.inject({ match, fault: { kind: "drop" } });
    world.server.inject({ match, fault: { kind: "status", status: 429, headers: { "Retry-After": "7" } } });
    world.server.inject({ match, fault: { kind: "status", status: 503 } });
    await pull();
    expectWhole();
    expect(world.pauses).toContain(7000);
  });

  it("starts over when the file changed behind the same address", async () => {
    world.server.inject({ match: /GET \/objects/, fault: { kind: "drop-after", bytes: 300_000 } });
    world.server.inject({ match: /GET \/objects/, fault: { kind: "drop" }, times: 4 });
    await failure(pull());
    world.server.heal();
    const partial = readdirSync(join(root(), "blobs")).find((name) => name.endsWith(".etag"))!;
    writeFileSync(join(root(), "blobs", partial), '"of another file"');
    expect((await pull()).receivedBytes).toBeGreaterThanOrEqual(LARGE.length);
    expectWhole();
  });

  it("refuses a wrong hash, and keeps nothing of it", async () => {
    world.server.inject({ match: /GET \/objects/, fault: { kind: "damage" }, times: 9 });
    const message = await failure(pull());
    expect(message.replaceAll(/[0-9a-f]{64}/g, "HASH")).toMatchInlineSnapshot(`
      "Downloading model.safetensors of lab/fish: model.safetensors: expected the hash HASH, found HASH
        Nothing of it was kept. Run the command again; if it stays so, the file on the server, a proxy or a mirror is damaged."
    `);
    expect(leftovers()).toEqual([]);
    expect([...everyFile(world.cache).values()].some((content) => content.length > 600_000)).toBe(false);
    world.server.heal();
    await pull();
    expectWhole();
  });

  it("does not trust an earlier part that is damaged", async () => {
    const { sha256 } = world.server.store.at(world.server.store.find("model", "lab/fish")!, "main")!.files.get("model.safetensors")!;
    mkdirSync(join(root(), "blobs"), { recursive: true });
    writeFileSync(join(root(), "blobs", `${sha256}.incomplete`), Buffer.alloc(1000));
    await pull();
    expectWhole();
  });

  it("stops when told to, and goes on later", async () => {
    const controller = new AbortController();
    const onEvent = (event: TransferEvent) => {
      if (event.event === "transfer-progress" && event.doneBytes > 100_000) controller.abort();
    };
    expect(await failure(pull({ onEvent }, world.connect({ signal: controller.signal })))).toContain("stopped on request");
    await pull();
    expectWhole();
    expect(leftovers()).toEqual([]);
  });
});

describe("two at once", () => {
  it("in one process fetch each file once", async () => {
    await Promise.all([pull(), pull()]);
    expectWhole();
    expect(world.server.lines(/GET \/objects/)).toHaveLength(1);
    expect(leftovers()).toEqual([]);
  });

  it("in two processes do not hurt each other, and one that was killed blocks nobody", async () => {
    world.server.inject({ match: /GET \/objects/, fault: { kind: "drop-after", bytes: 100_000 }, times: 4 });
    const script = join(import.meta.dirname, "../testing/pull-process.ts");
    const run = () => {
      const child = spawn(process.execPath, ["--import", "tsx", script, "lab/fish"], {
        env: { ...process.env, ...world.env },
        stdio: "inherit",
      });
      return { child, done: new Promise<number | null>((resolve) => child.on("exit", (code) => resolve(code))) };
    };
    const killed = run();
    while (world.server.lines(/GET \/objects/).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    killed.child.kill("SIGKILL");
    await killed.done;
    const [first, second] = [run(), run()];
    expect(await Promise.all([first.done, second.done])).toEqual([0, 0]);
    expectWhole();
    expect(leftovers()).toEqual([]);
  });

  it("replaces a broken link that another tool left", async () => {
    mkdirSync(join(root(), "snapshots", commit), { recursive: true });
    symlinkSync("../../blobs/nothing", join(root(), "snapshots", commit, "config.json"));
    await pull();
    expectWhole();
  });
});

describe("what the Hub refuses", () => {
  it("says whether to sign in, to check the name, or to accept terms", async () => {
    const anonymous = () => world.connect({}, { HF_TOKEN: "" });
    expect(await failure(pull({ repository: { ...REPOSITORY, name: "other" } }, anonymous()))).toMatchInlineSnapshot(`
      "Looking up lab/other: HOST answered 401: there is no such repository, or it is private and no token was sent: Repository not found
        Check the name. For a private repository set HF_TOKEN, or run \`hf auth login\`."
    `);
    expect(await failure(pull({ repository: { ...REPOSITORY, name: "other" } }))).toMatchInlineSnapshot(`
      "Looking up lab/other: HOST answered 404: there is no such repository: Repository not found
        Check the name, and that the token's account may see it."
    `);
    expect(await failure(pull({ revision: "v9" }))).toMatchInlineSnapshot(`
      "Looking up lab/fish@v9: HOST answered 404: there is no such revision: Invalid rev id: v9
        Check what stands behind the @: a branch, a tag or a commit."
    `);
    world.server.store.find("model", "lab/fish")!.gated = true;
    expect(await failure(pull({ repository: REPOSITORY, parallel: 1 }, anonymous()))).toMatchInlineSnapshot(`
      "Downloading model.safetensors of lab/fish: HOST answered 401: the repository is gated: Access to model lab/fish is restricted and you are not in the authorized list.
        Open its page on the Hub, accept its terms, and set HF_TOKEN (or run \`hf auth login\`)."
    `);
    world.server.expire(TOKEN);
    expect(await failure(pull())).toMatchInlineSnapshot(`
      "Looking up lab/fish: HOST answered 401: the token is not accepted (expired, revoked, or of another Hub): Invalid credentials in Authorization header
        Make a new token in the Hub's settings and set HF_TOKEN."
    `);
  });

  it("sends the token to the Hub only", async () => {
    await pull();
    const [hub, storage] = ["hub", "storage"].map((name) => world.server.requests.filter(({ server }) => server === name));
    expect(hub!.every(({ authorization }) => authorization === `Bearer ${TOKEN}`)).toBe(true);
    expect(storage!.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  it("refuses names that would leave the folder", async () => {
    for (const path of ["../../evil", "a/../../b", "C:\\x", "/etc/x"]) {
      world.server.seed("lab/evil", { [path]: "x" });
      expect(await failure(pull({ repository: { ...REPOSITORY, name: "evil" } }))).toContain("expected a path inside the repository");
      world.server.store.repositories.delete("model/lab/evil");
    }
    rmSync(join(world.root, "home"), { recursive: true, force: true });
  });
});
