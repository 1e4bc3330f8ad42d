/** Lays configs over each other: a later value wins, groups are merged key by key, `undefined` says nothing. */
export type PlainConfig = Record<string, unknown>;

export function mergeConfigs(...layers: readonly PlainConfig[]): PlainConfig {
  const merged: PlainConfig = {};
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer)) {
      if (value === undefined) continue;
      const below = merged[key];
      merged[key] = isGroup(value) && isGroup(below) ? mergeConfigs(below, value) : value;
    }
  }
  return merged;
}

function isGroup(value: unknown): value is PlainConfig {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
