/**
 * A number and what it counts, as people write them: `1 row`, `2,048 rows`.
 *
 * Among the errors because messages of every layer count things.
 */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? noun : plural}`;
}
