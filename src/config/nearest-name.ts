/**
 * The nearest valid name to one that is not known, or nothing when none is near.
 *
 * Near means: equal but for case and separators, or the last word of a grouped name (`rank` for `lora.rank`), or at most a third of the
 * letters apart in edit distance (Damerau: swapped neighbours count once).
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const wanted = flatten(name);
  const same =
    known.find((candidate) => flatten(candidate) === wanted) ?? known.find((candidate) => flatten(lastWord(candidate)) === wanted);
  if (same !== undefined) return same;
  let best: string | undefined;
  let bestDistance = Math.floor(Math.max(wanted.length, 3) / 3) + 1;
  for (const candidate of known) {
    const distance = editDistance(wanted, flatten(candidate));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

const flatten = (name: string) => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
const lastWord = (path: string) => path.slice(path.lastIndexOf(".") + 1);

/** Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, substitute);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
