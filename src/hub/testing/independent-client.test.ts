/**
 * The test Hub against a client that somebody else wrote: @huggingface/hub creates, uploads, lists and downloads, and our own code reads what it
 * wrote, and the other way round. What both agree on is the protocol, not our idea of it.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRepo, downloadFile, listFiles, uploadFiles, whoAmI } from "@huggingface/hub";
import { afterEach, beforeEach, expect, it } from "vitest";
import { pullRepository } from "../pull/pull-repository.ts";
import { pushFolder } from "../push/push-folder.ts";
import { HubWorld, someBytes, TOKEN } from "./hub-world.ts";

let world: HubWorld;
beforeEach(async () => {
  world = await HubWorld.start({ partBytes: 100_000 });
});
afterEach(() => world[Symbol.asyncDispose]());

const LARGE = someBytes(350_000);
const theirs = () => ({ hubUrl: world.server.endpoint, accessToken: TOKEN });

it("what it uploads, in parts too, we pull", async () => {
  expect((await whoAmI(theirs())).name).toBe("mira");
  await createRepo({ ...theirs(), repo: "mira/theirs", visibility: "private" });
  const files = [
    { path: "config.json", content: new Blob(["{}\n"]) },
    { path: "deep/model.safetensors", content: new Blob([new Uint8Array(LARGE)]) },
  ];
  await uploadFiles({ ...theirs(), repo: "mira/theirs", files, useXet: false });
  const { folder } = await pullRepository(world.connect(), {
    cache: world.cache,
    repository: { type: "model", owner: "mira", name: "theirs" },
  });
  expect(readFileSync(join(folder, "config.json"), "utf8")).toBe("{}\n");
  expect(readFileSync(join(folder, "deep/model.safetensors")).equals(LARGE)).toBe(true);
});

it("what we push, it lists with the same hashes and downloads", async () => {
  mkdirSync(join(world.root, "out"));
  writeFileSync(join(world.root, "out/config.json"), "{}\n");
  writeFileSync(join(world.root, "out/model.safetensors"), LARGE);
  const repository = { type: "model", owner: "mira", name: "ours" } as const;
  await pushFolder(world.connect(), {
    folder: join(world.root, "out"),
    repository,
    private: false,
    message: "x",
    notesFolder: join(world.root, "notes"),
  });
  const listed: [string, number][] = [];
  for await (const { path, size } of listFiles({ ...theirs(), repo: "mira/ours", recursive: true })) listed.push([path, size]);
  expect(listed).toEqual(
    expect.arrayContaining([
      ["config.json", 3],
      ["model.safetensors", 350_000],
    ]),
  );
  const blob = await downloadFile({ ...theirs(), repo: "mira/ours", path: "model.safetensors" });
  expect(Buffer.from(await blob!.arrayBuffer()).equals(LARGE)).toBe(true);
});
