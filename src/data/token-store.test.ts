import { existsSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { makeRandom } from "./random.ts";
import { TemporaryFolder } from "./testing/temporary-folder.ts";
import { TokenStore } from "./token-store.ts";

function fill(store: TokenStore, count: number): { ids: number[]; trained: number[] }[] {
  const random = makeRandom(1);
  return Array.from({ length: count }, (_, row) => {
    const ids = Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 2 ** 26));
    const trained = ids.map(() => (random() < 0.5 ? 1 : 0));
    store.add(ids, trained, row + 1);
    return { ids, trained };
  });
}

test("what goes in comes out, in memory and from the file alike", () => {
  using folder = new TemporaryFolder();
  for (const memoryLimitBytes of [2 ** 30, 4096]) {
    const store = new TokenStore({ memoryLimitBytes, folder: folder.path });
    const rows = fill(store, 3000);
    expect(store.isOnDisk).toBe(memoryLimitBytes === 4096);
    for (const [i, { ids, trained }] of rows.entries()) {
      expect([...store.get(i).ids]).toEqual(ids);
      expect([...store.get(i).trained]).toEqual(trained);
      expect([store.row(i), store.length(i)]).toEqual([i + 1, ids.length]);
    }
    const flat = rows.flatMap(({ ids }) => ids);
    expect(store.tokenCount).toBe(flat.length);
    expect([...store.raw(100, 5000)].map((token) => token & 0x7fffffff)).toEqual(flat.slice(100, 5100));
    store[Symbol.dispose]();
    store[Symbol.dispose]();
  }
  expect(readdirSync(folder.path)).toEqual([]);
});

test("a mix of what is in the file and what is not yet", () => {
  using folder = new TemporaryFolder();
  using store = new TokenStore({ memoryLimitBytes: 1000, folder: folder.path });
  store.add(new Array(400).fill(5), undefined, 1);
  store.add([1, 2, 3], [0, 1, 0], 2);
  expect(store.isOnDisk && existsSync(`${folder.path}/${readdirSync(folder.path)[0]}/tokens.u32`)).toBe(true);
  expect([...store.raw(398, 4)].map((token) => token & 0x7fffffff)).toEqual([5, 5, 1, 2]);
  expect([...store.get(1).trained]).toEqual([0, 1, 0]);
});
