/**
 * The shape of the repository as a test: folders under `src/` are layers, imports point down and never sideways, nothing imports in a circle,
 * and only the backend touches the FFI. Type imports count too: a layer that knows the types of one above it is not below it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";

/**
 * From the top. Folders of one row do not import each other. DESIGN §2, and `engine`: the worker that owns a device; the command line starts
 * servers, so it is above them; a debate weighs answers with evaluation's scores, so it is above that.
 */
const LAYERS: readonly (readonly string[])[] = [
  ["cli"],
  ["server", "studio"],
  ["index.ts"],
  ["debate"],
  ["evaluation"],
  ["asking"],
  ["engine"],
  ["training", "export", "retrieval"],
  ["generation", "data"],
  ["models", "text", "hub"],
  ["nn"],
  ["quant", "formats"],
  ["tensor"],
  ["backend"],
];
/** Usable from everywhere; they use nothing but each other. */
const EVERYWHERE = ["config", "errors"];
/** Names that one layer's tests share with others'. */
const TEST_FILE = /\.test\.ts$|(^|\/)testing\//;
/** The only folder that may open native libraries. */
const NATIVE = { packages: ["koffi"], folder: "backend" };

const root = dirname(fileURLToPath(import.meta.url));

interface Import {
  from: string;
  /** A path under src, or a package's name. */
  to: string;
}

const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => name.replaceAll("\\", "/"));
const imports = files.flatMap((file) => importsOf(file, readFileSync(join(root, file), "utf8")));
const sources = imports.filter(({ from }) => !TEST_FILE.test(from));

/** Static, dynamic, type-only and re-exporting imports of one file. */
function importsOf(file: string, text: string): Import[] {
  const parsed = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier) {
      found.push((node.moduleSpecifier as ts.StringLiteral).text);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [target] = node.arguments;
      if (target && ts.isStringLiteral(target)) found.push(target.text);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal)) {
      found.push(node.argument.literal.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(parsed);
  return found.map((specifier) => ({
    from: file,
    to: specifier.startsWith(".") ? relative(root, resolve(root, dirname(file), specifier)).replaceAll("\\", "/") : specifier,
  }));
}

const folderOf = (path: string) => path.split("/")[0]!;
const levelOf = (folder: string) => LAYERS.findIndex((row) => row.includes(folder));

/** Why an import is not allowed, or nothing. */
function judge({ from, to }: Import): string | undefined {
  if (!to.includes("/") ? !to.endsWith(".ts") : !files.includes(to) && !to.endsWith(".ts")) return undefined; // a package
  const [source, target] = [folderOf(from), folderOf(to)];
  if (source === target || EVERYWHERE.includes(target)) return undefined;
  if (EVERYWHERE.includes(source)) return `${source} is usable from everywhere, so it imports no layer`;
  const [sourceLevel, targetLevel] = [levelOf(source), levelOf(target)];
  if (sourceLevel < 0 || targetLevel < 0) return `${sourceLevel < 0 ? source : target} has no place among the layers`;
  if (sourceLevel > targetLevel) return "points up";
  return sourceLevel === targetLevel ? "points sideways" : undefined;
}

/** Groups of files that import each other in a circle (Tarjan). Types count: two files that need each other's types are one. */
function cyclesOf(edges: readonly Import[]): string[][] {
  const graph = new Map<string, string[]>();
  for (const { from, to } of edges) graph.set(from, [...(graph.get(from) ?? []), to]);
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const cycles: string[][] = [];
  const visit = (node: string): void => {
    order.set(node, order.size);
    low.set(node, order.get(node)!);
    stack.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!order.has(next)) visit(next);
      if (stack.includes(next)) low.set(node, Math.min(low.get(node)!, low.get(next)!));
    }
    if (low.get(node) !== order.get(node)) return;
    const group = stack.splice(stack.indexOf(node));
    if (group.length > 1 || graph.get(node)?.includes(node)) cycles.push(group.sort());
  };
  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return cycles;
}

describe("the imports of src/", () => {
  test("point down", () => {
    const wrong = sources.flatMap((edge) => {
      const reason = judge(edge);
      return reason ? [`${edge.from} → ${edge.to}: ${reason}`] : [];
    });
    expect(wrong).toEqual([]);
  });

  test("make no circle", () => {
    expect(cyclesOf(sources.filter(({ to }) => files.includes(to)))).toEqual([]);
  });

  test("reach native code from the backend only", () => {
    const wrong = imports.filter(({ from, to }) => NATIVE.packages.includes(to) && folderOf(from) !== NATIVE.folder);
    expect(wrong).toEqual([]);
  });

  test("carry the extension and name files that exist", () => {
    const inside = imports.filter(({ to }) => to.endsWith(".ts"));
    expect(inside.length).toBeGreaterThan(100);
    expect(inside.filter(({ to }) => !to.startsWith("..") && !files.includes(to))).toEqual([]);
  });

  test("of the front door's first step load neither zod nor the library", () => {
    const reached = new Set<string>();
    const walk = (file: string): void => {
      if (reached.has(file)) return;
      reached.add(file);
      if (!files.includes(file)) return;
      const text = readFileSync(join(root, file), "utf8").replace(/import\([^)]*\)/g, "undefined");
      const parsed = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true);
      for (const statement of parsed.statements) {
        if (!ts.isImportDeclaration(statement) || statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword) continue;
        const specifier = (statement.moduleSpecifier as ts.StringLiteral).text;
        walk(specifier.startsWith(".") ? relative(root, resolve(root, dirname(file), specifier)) : specifier);
      }
    };
    walk("cli/main.ts");
    expect([...reached].filter((name) => !name.startsWith("node:") && !name.endsWith(".ts")).sort()).toEqual(["commander"]);
    expect([...reached].filter((name) => name.startsWith("config/schemas"))).toEqual([]);
    expect(reached.has("index.ts")).toBe(false);
  });
});

describe("the test itself", () => {
  test.each([
    ["models/llama.ts", "cli/main.ts", "points up"],
    ["data/pack.ts", "generation/generator.ts", "points sideways"],
    ["training/trainer.ts", "engine/worker.ts", "points up"],
    ["errors/a.ts", "backend/backend.ts", "errors is usable from everywhere, so it imports no layer"],
    ["config/a.ts", "training/events.ts", "config is usable from everywhere, so it imports no layer"],
    ["oddities/a.ts", "tensor/tensor.ts", "oddities has no place among the layers"],
    ["training/trainer.ts", "tensor/tensor.ts", undefined],
    ["tensor/ops/linear.ts", "errors/shape-error.ts", undefined],
    ["cli/library.ts", "index.ts", undefined],
    ["engine/a.ts", "zod", undefined],
    ["engine/a.ts", "@huggingface/jinja", undefined],
  ])("%s → %s: %s", (from, to, expected) => {
    expect(judge({ from, to })).toBe(expected);
  });

  test("finds circles and every kind of import", () => {
    const text =
      'import a from "./a.ts"; import type { b } from "./b.ts"; export * from "./c.ts"; await import("./d.ts"); let e: import("./e.ts").E;';
    expect(importsOf("x/y.ts", text).map(({ to }) => to)).toEqual(["x/a.ts", "x/b.ts", "x/c.ts", "x/d.ts", "x/e.ts"]);
    const edges = [
      { from: "a", to: "b" },
      { from: "b", to: "c" },
      { from: "c", to: "a" },
      { from: "c", to: "d" },
    ];
    expect(cyclesOf(edges)).toEqual([["a", "b", "c"]]);
  });
});
