/** Forms of verbs and adjectives in both languages, as far as everyday sentences need them. */

/** `5` godan, `1` ichidan, `s` suru, `k` 来る, `i` 行く and its kin. */
export type JapaneseKind = "5" | "1" | "s" | "k" | "i";

/** Last kana of a godan verb → endings: polite stem, te, ta, negative stem, potential stem, volitional. */
const GODAN: Readonly<Record<string, readonly [string, string, string, string, string, string]>> = {
  う: ["い", "って", "った", "わ", "え", "おう"],
  く: ["き", "いて", "いた", "か", "け", "こう"],
  ぐ: ["ぎ", "いで", "いだ", "が", "げ", "ごう"],
  す: ["し", "して", "した", "さ", "せ", "そう"],
  つ: ["ち", "って", "った", "た", "て", "とう"],
  ぬ: ["に", "んで", "んだ", "な", "ね", "のう"],
  ぶ: ["び", "んで", "んだ", "ば", "べ", "ぼう"],
  む: ["み", "んで", "んだ", "ま", "め", "もう"],
  る: ["り", "って", "った", "ら", "れ", "ろう"],
};

export interface JapaneseForms {
  readonly dict: string;
  /** 食べ of 食べます. */
  readonly stem: string;
  readonly te: string;
  readonly ta: string;
  /** 食べ of 食べない. */
  readonly nai: string;
  /** 食べられる; itself ichidan. */
  readonly can: string;
  readonly volitional: string;
  /** 食べれば. */
  readonly ba: string;
}

export function japaneseForms(dict: string, kind: JapaneseKind): JapaneseForms {
  const root = dict.slice(0, -1);
  if (kind === "1")
    return {
      dict,
      stem: root,
      te: `${root}て`,
      ta: `${root}た`,
      nai: root,
      can: `${root}られる`,
      volitional: `${root}よう`,
      ba: `${root}れば`,
    };
  if (kind === "s") {
    const noun = dict.slice(0, -2);
    return {
      dict,
      stem: `${noun}し`,
      te: `${noun}して`,
      ta: `${noun}した`,
      nai: `${noun}し`,
      can: `${noun}できる`,
      volitional: `${noun}しよう`,
      ba: `${noun}すれば`,
    };
  }
  if (kind === "k")
    return {
      dict,
      stem: root,
      te: `${root}て`,
      ta: `${root}た`,
      nai: root,
      can: `${root}られる`,
      volitional: `${root}よう`,
      ba: `${root}れば`,
    };
  const [stem, te, ta, nai, can, volitional] = GODAN[dict.at(-1)!]!;
  const isGo = kind === "i";
  return {
    dict,
    stem: root + stem,
    te: root + (isGo ? "って" : te),
    ta: root + (isGo ? "った" : ta),
    nai: root + nai,
    can: `${root}${can}る`,
    volitional: root + volitional,
    ba: `${root}${can}ば`,
  };
}

export interface EnglishForms {
  readonly base: string;
  readonly third: string;
  readonly past: string;
  readonly done: string;
  readonly ing: string;
}

/** `eat ate eaten`, or `cook` for a regular verb; a particle follows the first word of each form: `get+up got+up got+up`. */
export function englishForms(text: string): EnglishForms {
  const words = text.split(" ").map((word) => word.replaceAll("+", " "));
  const base = words[0]!;
  const [head, ...rest] = base.split(" ");
  const tail = rest.length > 0 ? ` ${rest.join(" ")}` : "";
  const past = words[1] ?? regularPast(head!) + tail;
  return { base, third: third(head!) + tail, past, done: words[2] ?? past, ing: gerund(head!) + tail };
}

const doubles = (word: string) =>
  /^(?:stop|plan|swim|run|sit|put|get|cut|shop|jog|chat|drop|win|set|hit|let|begin|forget|rub|hug|jot|pat|nap|grab|wrap|pack_)$/.test(word);

function third(word: string): string {
  if (word === "have") return "has";
  if (word === "be") return "is";
  if (/(?:s|sh|ch|x|z|o)$/.test(word)) return `${word}es`;
  return /[^aeiou]y$/.test(word) ? `${word.slice(0, -1)}ies` : `${word}s`;
}

function regularPast(word: string): string {
  if (word.endsWith("e")) return `${word}d`;
  if (/[^aeiou]y$/.test(word)) return `${word.slice(0, -1)}ied`;
  return doubles(word) ? `${word}${word.at(-1)}ed` : `${word}ed`;
}

function gerund(word: string): string {
  if (word === "lie") return "lying";
  if (/[^eoy]e$/.test(word) && word !== "be") return `${word.slice(0, -1)}ing`;
  return doubles(word) ? `${word}${word.at(-1)}ing` : `${word}ing`;
}

/** `a` or `an`, by the first sound as it is written. */
export function withArticle(noun: string): string {
  return `${/^(?:[aeio]|u(?!ni|se)|hour)/.test(noun) ? "an" : "a"} ${noun}`;
}
