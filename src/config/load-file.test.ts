import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { loadConfigFile } from "./load-file.ts";

const folder = mkdtempSync(join(tmpdir(), "remora-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}
const messageOf = async (path: string) =>
  loadConfigFile(path).then(
    () => "no error",
    (error: Error) => error.message.replaceAll(folder, "."),
  );

test.each([
  ["a.yaml", "model: m\nlora:\n  rank: 4\n"],
  ["a.json", '{"model":"m","lora":{"rank":4}}'],
  [
    "a.ts",
    'import { defineConfig } from "remora";\nconst rank: number = 4;\nexport default defineConfig({ model: "m", lora: { rank } });\n',
  ],
  ["a.mjs", 'export default { model: "m", lora: { rank: 4 } };\n'],
])("%s", async (name, content) => {
  expect(await loadConfigFile(file(name, content))).toEqual({ model: "m", lora: { rank: 4 } });
});

test("errors say the file, what is wrong and what to do", async () => {
  const messages = [
    await messageOf(join(folder, "absent.yaml")),
    await messageOf(file("broken.json", '{"model": ')),
    await messageOf(file("broken.yaml", "model: [a\nlora: }")),
    await messageOf(file("list.yaml", "- a\n")),
    await messageOf(file("empty.yaml", "")),
    await messageOf(file("latin.yaml", Uint8Array.of(0x6d, 0x3a, 0x20, 0xe9, 0x0a))),
    await messageOf(file("throws.ts", 'throw new Error("no environment");')),
    await messageOf(file("a.toml", "")),
  ];
  expect(messages.join("\n")).toMatchInlineSnapshot(`
    "Reading the configuration ./absent.yaml: expected a file, found nothing there
      Check the path given to --config.
    Reading the configuration ./broken.json: Unexpected end of JSON input
      Correct the file and run the command again.
    Reading the configuration ./broken.yaml: Flow sequence in block collection must be sufficiently indented and end with a ] at line 2, column 1:
      Correct the file and run the command again.
    Reading the configuration ./list.yaml: expected an object of options, found a list
      Write options as \`name: value\`.
    Reading the configuration ./empty.yaml: expected an object of options, found nothing
      Write options as \`name: value\`.
    Reading the configuration ./latin.yaml: The encoded data was not valid for encoding utf-8
      Correct the file and run the command again.
    Reading the configuration ./throws.ts: no environment
      The file must run by itself and export a config by default.
    Reading the configuration ./a.toml: expected .yaml, .yml, .json, .ts or .js, found .toml"
  `);
});
