/** Mixes to compare: pretrain.yaml with what mixes.yaml changes of it, and how often each mix reads each source. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { TokenFile } from "../../src/data/token-file.ts";

type Shares = Record<string, number>;

/** What of pretrain.yaml concerns a mix; the rest goes through as it is. */
export interface PretrainFile {
  readonly data: Record<string, string>;
  readonly mix: Shares;
  readonly finalMix: Shares;
  readonly finalShare: number;
  readonly heldOut: Record<string, string>;
  readonly [option: string]: unknown;
}

type Change = Partial<Pick<PretrainFile, "mix" | "finalMix">>;

/** By name, in the order of the file; a source that a mix does not name keeps its share, one with 0 is left out. Shares are relative. */
export function readMixes(basePath: string, changesPath: string): Map<string, PretrainFile> {
  const base = parse(readFileSync(basePath, "utf8")) as PretrainFile;
  const changes = parse(readFileSync(changesPath, "utf8")) as Record<string, Change | null>;
  const mixed = (change: Change): PretrainFile => {
    const mix = { ...base.mix, ...change.mix };
    const kept = <T>(values: Record<string, T>) => Object.fromEntries(Object.entries(values).filter(([name]) => mix[name] !== 0));
    return { ...base, data: kept(base.data), mix: kept(mix), finalMix: kept({ ...base.finalMix, ...change.finalMix }) };
  };
  return new Map(Object.entries(changes).map(([name, change]) => [name, mixed(change ?? {})]));
}

/** Tokens of the source's file, undefined where it is not there. */
export function tokensOf(path: string): number | undefined {
  try {
    using file = new TokenFile(path);
    return file.facts.tokens;
  } catch {
    return undefined;
  }
}

/** How often a run of so many tokens reads each source. */
export function passesOf({ data, mix, finalMix, finalShare }: PretrainFile, runTokens: number): Record<string, number | undefined> {
  const total = (shares: Shares) => Object.values(shares).reduce((sum, share) => sum + share, 0);
  const passes = Object.entries(data).map(([name, path]) => {
    const share = ((mix[name] ?? 0) / total(mix)) * (1 - finalShare) + ((finalMix[name] ?? 0) / total(finalMix)) * finalShare;
    const tokens = tokensOf(path);
    return [name, tokens && (share * runTokens) / tokens] as const;
  });
  return Object.fromEntries(passes);
}
