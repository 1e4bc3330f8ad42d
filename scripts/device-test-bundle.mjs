// Bundles the device tests, or any other entry, into one file that needs Node and koffi alone, for a rented machine with a GPU.
//
//   node scripts/device-test-bundle.mjs                       → .gpu/device-tests.mjs   (run: node .gpu/device-tests.mjs [pattern])
//   node scripts/device-test-bundle.mjs --entry a.ts --out b.mjs
//
// `import.meta.url` and `dirname` of every source become the source's own in the checkout, so that fixtures and build folders are found.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const options = { entry: "", out: join(root, ".gpu", "device-tests.mjs"), tests: [] };
for (let i = 2; i < process.argv.length; i++) {
  if (process.argv[i] === "--entry") options.entry = join(root, process.argv[++i]);
  else if (process.argv[i] === "--out") options.out = join(root, process.argv[++i]);
  else options.tests.push(process.argv[i]);
}

/** All device tests: they need nothing but fixtures of the checkout. */
const TESTS = readdirSync(join(root, "src"), { recursive: true })
  .filter((path) => path.endsWith(".device.test.ts"))
  .map((path) => `src/${path}`)
  .sort();

const ownAddress = {
  name: "own-address",
  setup(bundler) {
    bundler.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      if (!/import\.meta\.(url|dirname)/.test(source)) return undefined;
      const place = (name) => `new URL(${JSON.stringify(name.replaceAll("\\", "/"))}, globalThis.__remoraRoot)`;
      const [file, folder] = [relative(root, path), relative(root, dirname(path))];
      const contents = source
        .replaceAll("import.meta.url", `${place(file)}.href`)
        .replaceAll("import.meta.dirname", `decodeURIComponent(${place(folder)}.pathname)`);
      return { contents, loader: "ts" };
    });
  },
};

const tests = options.tests.length ? options.tests : TESTS;
const shim = join(root, "scripts", "device-test", "vitest-shim.ts");
const stdin = {
  contents: `${tests.map((test) => `import ${JSON.stringify(`./${test}`)};`).join("\n")}
import { runAll } from ${JSON.stringify(shim)};
const pattern = process.argv[2] ? new RegExp(process.argv[2]) : undefined;
const { passed, failed } = await runAll(pattern);
console.log(\`device tests: \${passed} passed, \${failed} failed\`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);`,
  resolveDir: root,
  loader: "ts",
};

await build({
  ...(options.entry ? { entryPoints: [options.entry] } : { stdin }),
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  outfile: options.out,
  external: ["koffi"],
  alias: { vitest: shim },
  plugins: [ownAddress],
  // The bundle lies one folder below the root.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url); globalThis.__remoraRoot = new URL("../", import.meta.url);',
  },
  logLevel: "warning",
});
console.error(`wrote ${relative(root, options.out)}`);
