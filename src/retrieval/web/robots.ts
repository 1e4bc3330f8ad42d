/**
 * robots.txt: may this address be read, and how long is the pause? The group of our name counts, else that of `*`; of rules that match, the longest
 * pattern wins, and allowing wins a tie.
 * Source: RFC 9309. `Crawl-delay` is not in it, but is meant.
 */
export interface Robots {
  mayRead(url: URL): boolean;
  readonly crawlDelaySeconds: number;
}

interface Rule {
  readonly allow: boolean;
  readonly pattern: string;
}

interface Group {
  readonly agents: string[];
  readonly rules: Rule[];
  delay?: number;
}

/** More rules than this are hostile, not careful. */
const MAX_RULES = 5000;
const MAX_PATTERN = 500;

export function parseRobots(text: string, agent: string): Robots {
  const groups = groupsOf(text);
  const own = groups.filter(({ agents }) => agents.includes(agent.toLowerCase()));
  const chosen = own.length > 0 ? own : groups.filter(({ agents }) => agents.includes("*"));
  const rules = chosen.flatMap((group) => group.rules);
  return {
    crawlDelaySeconds: Math.max(0, ...chosen.map(({ delay = 0 }) => delay)),
    mayRead(url) {
      const path = normalized(url.pathname + url.search);
      if (path === "/robots.txt") return true;
      const matching = rules.filter(({ pattern }) => matches(pattern, path));
      const longest = Math.max(0, ...matching.map(({ pattern }) => pattern.length));
      const best = matching.filter(({ pattern }) => pattern.length === longest);
      return best.length === 0 || best.some(({ allow }) => allow);
    },
  };
}

export const EVERYTHING: Robots = { mayRead: () => true, crawlDelaySeconds: 0 };
export const NOTHING: Robots = { mayRead: () => false, crawlDelaySeconds: 0 };

function groupsOf(text: string): Group[] {
  const groups: Group[] = [];
  let naming = false;
  let count = 0;
  for (const line of text.replace(/^\ufeff/, "").split(/\r\n?|\n/)) {
    const [, name = "", value = ""] = /^\s*([A-Za-z-]+)\s*:\s*([^#]*)/.exec(line) ?? [];
    const key = name.toLowerCase();
    if (key === "user-agent") {
      if (!naming) groups.push({ agents: [], rules: [] });
      groups.at(-1)!.agents.push(value.trim().toLowerCase());
      naming = true;
      continue;
    }
    if (key !== "allow" && key !== "disallow" && key !== "crawl-delay") continue;
    naming = false;
    const group = groups.at(-1);
    if (!group) continue;
    if (key === "crawl-delay") group.delay = Number(value) > 0 ? Number(value) : undefined;
    // An empty pattern matches nothing: `Disallow:` allows all.
    else if (value.trim() !== "" && count++ < MAX_RULES) {
      group.rules.push({ allow: key === "allow", pattern: normalized(value.trim().slice(0, MAX_PATTERN)) });
    }
  }
  return groups;
}

/** `%7e` and `~` are one; so are `%2f` and `%2F`. */
function normalized(path: string): string {
  return path.replace(/%[0-9a-f]{2}/gi, (code) => {
    const character = String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : code.toUpperCase();
  });
}

/** `*` is any run of characters, `$` at the end is the end. Piece by piece, so that no pattern can make it slow. */
function matches(pattern: string, path: string): boolean {
  const isAnchored = pattern.endsWith("$");
  const pieces = (isAnchored ? pattern.slice(0, -1) : pattern).split("*");
  if (!path.startsWith(pieces[0]!)) return false;
  let at = pieces[0]!.length;
  for (const [index, piece] of pieces.slice(1).entries()) {
    const isLast = index === pieces.length - 2;
    if (isLast && isAnchored) return path.length - piece.length >= at && path.endsWith(piece);
    const found = path.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return !isAnchored || at === path.length;
}
