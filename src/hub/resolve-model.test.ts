import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hubCacheFolder } from "./hub-cache.ts";
import { parseModelReference } from "./model-reference.ts";
import { type ResolvedModel, resolveModel } from "./resolve-model.ts";
import { packageFolder, shippedModels } from "./shipped-models.ts";

let root: string;
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const write = (path: string, content = "{}") => {
  const full = join(root, path);
  mkdirSync(join(full, ".."), { recursive: true });
  writeFileSync(full, content);
};
const find = (model: string): Promise<ResolvedModel> =>
  resolveModel(model, { offline: true, env: { HF_HUB_CACHE: join(root, "hub"), HOME: root }, packageRoot: join(root, "package") });
const shown = async (model: string) => JSON.parse(JSON.stringify(await find(model)).replaceAll(root, ""));
const refusal = (model: string): Promise<string> =>
  find(model).then(
    () => "nothing was thrown",
    (error: Error) => error.message.replaceAll(root, ""),
  );

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "remora-hub-"));
  write(`hub/models--org--name/refs/main`, `${COMMIT}\n`);
  write(`hub/models--org--name/snapshots/${COMMIT}/config.json`);
});
afterEach(() => rmSync(root, { recursive: true }));

describe("parseModelReference", () => {
  it.each([
    ["./x", { kind: "path" }],
    ["/a/b", { kind: "path" }],
    ["C:\\models\\x", { kind: "path" }],
    ["model.gguf", { kind: "path" }],
    ["a/b/c", { kind: "path" }],
    ["mini", { kind: "shipped", name: "mini" }],
    ["shipped:mini", { kind: "shipped", name: "mini" }],
    ["shipped:../x", { kind: "unknown" }],
    ["org/name", { kind: "hub", owner: "org", name: "name", revision: undefined, file: undefined }],
    ["hf://org/name@v1.0", { kind: "hub", owner: "org", name: "name", revision: "v1.0" }],
    ["org/name@refs/pr/3", { kind: "hub", revision: "refs/pr/3", file: undefined }],
    ["hf://org/name@main/a.Q4_K_M.gguf", { kind: "hub", name: "name", revision: "main", file: "a.Q4_K_M.gguf" }],
    ["org/name/a.gguf", { kind: "hub", name: "name", revision: undefined, file: "a.gguf" }],
    ["hf://../etc", { kind: "unknown" }],
    ["org/name@../../x", { kind: "path" }],
    ["", { kind: "unknown" }],
  ])("%s", (text, expected) => expect(parseModelReference(text)).toMatchObject(expected));
});

describe("hubCacheFolder", () => {
  it.each([
    [{ HF_HUB_CACHE: "/c", HF_HOME: "/h" }, "/c"],
    [{ HUGGINGFACE_HUB_CACHE: "/old" }, "/old"],
    [{ HF_HOME: "/h" }, "/h/hub"],
    [{ HF_HOME: "~/h", HOME: "/u" }, "/u/h/hub"],
    [{ XDG_CACHE_HOME: "/x" }, "/x/huggingface/hub"],
    [{ HOME: "/u" }, "/u/.cache/huggingface/hub"],
  ])("%o", (env, expected) => expect(hubCacheFolder(env)).toBe(expected));
});

describe("resolveModel", () => {
  it("finds local folders and files, home included", async () => {
    write("mine/config.json");
    write("one/model.gguf");
    expect(await shown(join(root, "mine"))).toEqual({ kind: "folder", path: "/mine", origin: "local" });
    expect(await shown("~/mine")).toEqual({ kind: "folder", path: "/mine", origin: "local" });
    expect(await shown(join(root, "one"))).toEqual({ kind: "file", path: "/one/model.gguf", origin: "local" });
    expect(await shown(join(root, "one", "model.gguf"))).toEqual({ kind: "file", path: "/one/model.gguf", origin: "local" });
  });

  it("takes the first part of a split file in a folder", async () => {
    for (const part of ["00001", "00002"]) write(`split/big-${part}-of-00002.gguf`);
    expect((await shown(join(root, "split"))).path).toBe("/split/big-00001-of-00002.gguf");
  });

  it("finds shipped models by bare name or in full", async () => {
    write("package/models/mini/config.json");
    for (const name of ["mini", "shipped:mini"])
      expect(await shown(name)).toEqual({ kind: "folder", path: "/package/models/mini", origin: "shipped" });
  });

  it("finds a shipped model that is one GGUF file, and lists it", async () => {
    write("package/models/small/small.q8_0.gguf");
    write("package/models/notes/README.md");
    expect(await shown("small")).toEqual({ kind: "file", path: "/package/models/small/small.q8_0.gguf", origin: "shipped" });
    expect(shippedModels(join(root, "package"))).toEqual(["small"]);
  });

  it("finds cached repositories by branch, tag, commit and file", async () => {
    const snapshot = `/hub/models--org--name/snapshots/${COMMIT}`;
    write("hub/models--org--name/refs/v1", COMMIT);
    write(`${snapshot}/m.gguf`);
    const found = { kind: "folder", path: snapshot, origin: "hub", repository: "org/name", commit: COMMIT };
    for (const name of ["org/name", "hf://org/name", "org/name@v1", `org/name@${COMMIT}`]) expect(await shown(name)).toEqual(found);
    expect(await shown("org/name/m.gguf")).toEqual({ ...found, kind: "file", path: `${snapshot}/m.gguf` });
  });

  it("says what to do when there is nothing", async () => {
    expect(await refusal("./none")).toContain("none\n  Check the path.");
    expect(await refusal("mini")).toMatchInlineSnapshot(`
      "Finding the model "mini": there is no such folder here, and no shipped model of that name
        Name a folder, a .gguf file, or owner/name on the Hugging Face Hub."
    `);
    write("package/models/mini/config.json");
    expect(await refusal("maxi")).toMatchInlineSnapshot(`
      "Finding the model "maxi": there is no such folder here, and no shipped model of that name
        Shipped: mini. Models on the Hub are named owner/name."
    `);
    expect(await refusal("org/other")).toMatchInlineSnapshot(`
      "Finding the model "org/other": it is not in the Hugging Face cache (/hub)
        The network may not be used now: run \`remora pull org/other\` where it may, or name something local."
    `);
    expect(await refusal("org/name@v2")).toMatchInlineSnapshot(`
      "Finding the model "org/name@v2": revision v2 is not in the Hugging Face cache (/hub/models--org--name); cached: 0123456789abcdef0123456789abcdef01234567, main
        The network may not be used now: run \`remora pull org/name@v2\` where it may, or name something local."
    `);
    expect(await refusal("org/name/a.gguf")).toMatchInlineSnapshot(`
      "Finding the model "org/name/a.gguf": the cached snapshot is incomplete: it has no a.gguf
        The network may not be used now: run \`remora pull org/name\` where it may, or name something local."
    `);
    expect(await refusal("what is this")).toMatchInlineSnapshot(`
      "Finding the model "what is this": this is not a way to name a model
        Name a folder, a .gguf file, owner/name or owner/name@revision on the Hugging Face Hub, or a shipped model."
    `);
  });

  it("says what a folder is when it is not a model", async () => {
    write("adapter/adapter_config.json");
    expect(await refusal(join(root, "adapter"))).toMatchInlineSnapshot(`
      "Finding the model "/adapter": /adapter holds an adapter, not a model
        Name its base model as the model and this folder as the adapter (--adapter)."
    `);
    write("many/a.gguf");
    write("many/b.gguf");
    expect(await refusal(join(root, "many"))).toMatchInlineSnapshot(`
      "Finding the model "/many": /many holds 2 GGUF files
        Name one of them: a.gguf, b.gguf"
    `);
    mkdirSync(join(root, "empty"));
    expect(await refusal(join(root, "empty"))).toMatchInlineSnapshot(`
      "Finding the model "/empty": /empty has neither config.json nor a .gguf file
        Name the folder that holds the model's config.json."
    `);
    write("weights.bin");
    expect(await refusal(join(root, "weights.bin"))).toMatchInlineSnapshot(`
      "Finding the model "/weights.bin": expected a folder or a .gguf file, found another kind of file
        Name the folder that holds config.json."
    `);
    mkdirSync(join(root, `hub/models--org--half/snapshots/${COMMIT}`), { recursive: true });
    expect(await refusal(`org/half@${COMMIT}`)).toMatchInlineSnapshot(`
      "Finding the model "org/half@0123456789abcdef0123456789abcdef01234567": the cached snapshot is incomplete: /hub/models--org--half/snapshots/0123456789abcdef0123456789abcdef01234567 has neither config.json nor a .gguf file
        The network may not be used now: run \`remora pull org/half@0123456789abcdef0123456789abcdef01234567\` where it may, or name something local."
    `);
  });

  it("does not follow a reference that is not a commit", async () => {
    write("hub/models--org--name/refs/evil", "../../../mine");
    write("mine/config.json");
    expect(await refusal("org/name@evil")).toContain("revision evil is not in the Hugging Face cache");
  });

  it("knows the package it is part of", () => expect(packageFolder().length).toBeGreaterThan(1));
});
