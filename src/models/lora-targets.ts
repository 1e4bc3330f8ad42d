/** Which linears get an adapter: by name (`q_proj`, or a longer end of the path), or by one regular expression on the whole path, as in PEFT. */
import { ConfigError } from "../errors/config-error.ts";
import type { LoraSettings, LoraSite } from "../nn/lora.ts";
import { layerLinears, linearInputs } from "./decoder-parameters.ts";
import type { DecoderShape, LinearGroupName } from "./decoder-shape.ts";

/** Names that mean the same linears in models with fused projections. */
const FUSED: Readonly<Record<string, string>> = {
  q_proj: "qkv_proj",
  k_proj: "qkv_proj",
  v_proj: "qkv_proj",
  gate_proj: "gate_up_proj",
  up_proj: "gate_up_proj",
};

/** @throws ConfigError when a target matches nothing */
export function findLoraSites(shape: DecoderShape, targets: string | readonly string[], settings: LoraSettings): LoraSite[] {
  const linears = allLinears(shape);
  if (typeof targets === "string") {
    const pattern = new RegExp(`^(?:${targets})$`);
    const sites = linears.filter(({ path }) => pattern.test(path) || path.endsWith(`.${targets}`));
    if (sites.length === 0) throw noMatch(targets, linears);
    return sites.map((site) => ({ ...site, settings }));
  }
  const names = targets.map((name) => (shape.fusedProjections ? (FUSED[name] ?? name) : name));
  for (const name of names) if (!linears.some(({ path }) => matches(path, name))) throw noMatch(name, linears);
  return linears.filter(({ path }) => names.some((name) => matches(path, name))).map((site) => ({ ...site, settings }));
}

function matches(path: string, name: string): boolean {
  return path === name || path.endsWith(`.${name}`);
}

function allLinears(shape: DecoderShape) {
  const inputs = linearInputs(shape);
  return [...shape.layers.keys()].flatMap((layer) =>
    Object.entries(layerLinears(shape, layer)).flatMap(([group, parts]) =>
      [parts].flat().map(({ path, rows }) => ({ path, inFeatures: inputs[group as LinearGroupName], outFeatures: rows })),
    ),
  );
}

function noMatch(target: string, linears: readonly { path: string }[]): ConfigError {
  const names = [...new Set(linears.map(({ path }) => path.slice(path.lastIndexOf(".") + 1)))];
  const problem = `${JSON.stringify(target)} matches no linear of this model; it has ${names.join(", ")}`;
  return new ConfigError("Choosing what gets an adapter", [{ path: "lora.targets", problem }]);
}
