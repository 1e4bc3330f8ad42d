/**
 * Sentence pairs of everyday life from a small grammar of both languages: verb frames with their objects, subjects, times, places and company,
 * put into about a hundred constructions (tenses, polite and plain, negation, questions, requests, wishes, duties, reasons, conditions,
 * relative clauses, comparisons, counters, clock, prices, weather, existence, giving …). The words are in `everyday-words.ts`, the endings in
 * `inflection.ts`. It knows nothing of the demo's sentences; `leak-check.ts` drops what comes near them by chance.
 *
 *   npx tsx recipes/remora-tiny/everyday.ts [count] [seed]      prints pairs
 */
import { pathToFileURL } from "node:url";
import { makeRandom } from "../../src/data/random.ts";
import {
  ADJECTIVES,
  type Adjective,
  COMPANIONS,
  CONDITIONS,
  FUTURE_TIMES,
  HABITS,
  NOUNS,
  type Noun,
  PAST_TIMES,
  PLACES,
  REASONS,
  SPOTS,
  SUBJECTS,
  type Subject,
  VERBS,
} from "./everyday-words.ts";
import { type EnglishForms, englishForms, type JapaneseForms, type JapaneseKind, japaneseForms, withArticle } from "./inflection.ts";

type Pair = [ja: string, en: string];

/** Different pairs, as many as asked for. Equal seeds give equal pairs. */
export function everydayPairs(count: number, seed: number): Pair[] {
  const grammar = new Grammar(makeRandom(seed));
  const seen = new Set<string>();
  const pairs: Pair[] = [];
  for (let tries = 0; pairs.length < count && tries < count * 20; tries++) {
    const [ja, en] = grammar.sentence();
    if (seen.has(ja)) continue;
    seen.add(ja);
    pairs.push([ja, capital(en)]);
  }
  return pairs;
}

const capital = (text: string) => text[0]!.toUpperCase() + text.slice(1);

/** What is done, in every form, objects included. */
interface Doing {
  readonly ja: JapaneseForms;
  readonly en: EnglishForms;
  readonly hasPlace: boolean;
}

/** A thing as it is named: この赤いかばん, this red bag. */
interface Named {
  readonly ja: string;
  readonly en: string;
  readonly isPlural: boolean;
}

const BE = { i: ["am", "was"], you: ["are", "were"], he: ["is", "was"], they: ["are", "were"], we: ["are", "were"] } as const;
const NOBODY: Subject = { ja: "", en: "I", person: "i", own: "my" };
const YOU: Subject = { ja: "", en: "you", person: "you", own: "your" };
const NUMBERS = ["", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"] as const;
const KANJI = ["", "一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二"] as const;
const MONTHS = "January February March April May June July August September October November December".split(" ");
const WEEK = [
  ["月曜日", "Monday"],
  ["火曜日", "Tuesday"],
  ["水曜日", "Wednesday"],
  ["木曜日", "Thursday"],
  ["金曜日", "Friday"],
  ["土曜日", "Saturday"],
  ["日曜日", "Sunday"],
] as const;

class Grammar {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  sentence(): Pair {
    const [make] = this.#weighted(CONSTRUCTIONS);
    return make(this);
  }

  // ---- drawing ----
  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)]!;
  }

  number(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  #weighted<T>(list: readonly (readonly [T, number])[]): readonly [T, number] {
    let point = this.#random() * list.reduce((sum, [, weight]) => sum + weight, 0);
    for (const each of list) {
      point -= each[1];
      if (point < 0) return each;
    }
    return list.at(-1)!;
  }

  // ---- parts ----
  subject(): Subject {
    return this.pick(SUBJECTS);
  }

  /** Somebody else than the speaker. */
  other(): Subject {
    const found = this.subject();
    return found.person === "i" || found.person === "you" || found.person === "we" ? this.other() : found;
  }

  /** The speaker, unnamed more often than not. */
  speaker(): Subject {
    return this.chance(0.5) ? NOBODY : { ...NOBODY, ja: this.chance(0.8) ? "私" : "僕" };
  }

  thing(kinds: readonly string[], subject: Subject): Named {
    const kind = this.pick(kinds);
    return this.named(kind, this.pick(NOUNS[kind]!), subject);
  }

  named(kind: string, noun: Noun, subject: Subject): Named {
    const { ja, en, plural } = noun;
    if (kind === "person") {
      // 彼は母に会った: his own mother; my mother met my father.
      const own = subject.en.startsWith("my ") ? "my" : subject.own;
      return { ja, en: en.replace(/^my /, `${own} `), isPlural: false };
    }
    if (/^(?:the|to|abroad)\b/.test(en) || kind === "goto" || kind === "study" || kind === "language" || kind === "sport")
      return { ja, en, isPlural: false };
    const adjective = this.chance(0.22) ? this.adjectiveFor(kind) : undefined;
    const head = adjective ? `${adjective.en} ${en}` : en;
    const many = adjective && plural ? `${adjective.en} ${plural}` : plural;
    const modified = (adjective ? adjective.ja : "") + ja;
    const massPlural = plural === undefined && /s$/.test(en) && !/(?:glass|news|bus)$/.test(en);
    const roll = this.#random();
    if (roll < 0.1) return { ja: `この${modified}`, en: `${massPlural ? "these" : "this"} ${head}`, isPlural: massPlural };
    if (roll < 0.2)
      return { ja: `その${modified}`, en: `${massPlural ? "those" : "the"} ${head}`.replace("those", "the"), isPlural: massPlural };
    if (roll < 0.26) return { ja: `あの${modified}`, en: `${massPlural ? "those" : "that"} ${head}`, isPlural: massPlural };
    if (roll < 0.34 && kind === "thing") return { ja: `自分の${modified}`, en: `${subject.own} ${head}`, isPlural: massPlural };
    if (plural === undefined) return { ja: modified, en: head, isPlural: massPlural };
    if (kind === "open" || kind === "light" || kind === "clean") return { ja: modified, en: `the ${head}`, isPlural: false };
    if (roll < 0.4) {
      const count = this.number(2, 5);
      const counter = kind === "animal" ? ["", "", "二匹", "三匹", "四匹", "五匹"] : ["", "", "二つ", "三つ", "四つ", "五つ"];
      return { ja: `${counter[count]}の${modified}`, en: `${NUMBERS[count]} ${many}`, isPlural: true };
    }
    if (roll < 0.45) return { ja: `たくさんの${modified}`, en: `a lot of ${many}`, isPlural: true };
    if (kind === "food" && roll < 0.7) return { ja: modified, en: many!, isPlural: true };
    return { ja: modified, en: withArticle(head), isPlural: false };
  }

  adjectiveFor(kind: string): Adjective | undefined {
    if (kind === "food" || kind === "make") return this.pick(ADJECTIVES.food!);
    if (kind === "read") return this.pick(ADJECTIVES.read!);
    if (kind === "thing") return this.pick(ADJECTIVES.thing!);
    if (kind === "animal") return this.pick([ADJECTIVES.thing![2]!, ADJECTIVES.thing![3]!, ADJECTIVES.thing![10]!, ADJECTIVES.thing![11]!]);
    if (kind === "building") return this.pick(ADJECTIVES.place!.slice(-7, -2));
    return undefined;
  }

  doing(subject: Subject): Doing {
    const verb = this.pick(VERBS);
    const object = verb.classes.length > 0 ? this.thing(verb.classes, subject) : { ja: "", en: "" };
    const forms = englishForms(verb.forms);
    const put = (form: string) =>
      verb.frame
        .replace(/\bmy\b/, subject.own)
        .replace("{v}", form)
        .replace("{o}", object.en)
        .trim();
    const third = put(subject.person === "he" ? forms.third : forms.base);
    return {
      ja: japaneseForms(verb.ja.replace("{o}", object.ja), verb.kind as JapaneseKind),
      en: { base: put(forms.base), third, past: put(forms.past), done: put(forms.done), ing: put(forms.ing) },
      hasPlace: verb.hasPlace,
    };
  }

  /** Place and company around a doing, each now and then. */
  around(doing: Doing, most = 0.35): Pair {
    const place = doing.hasPlace && this.chance(most) && !/[にへで].*(?:行|住)/.test(doing.ja.dict) ? this.pick(PLACES) : undefined;
    const company = this.chance(most / 2.5) && !doing.ja.dict.includes("と") ? this.pick(COMPANIONS) : undefined;
    return [`${company?.ja ?? ""}${place?.ja ?? ""}`, `${company ? ` ${company.en}` : ""}${place ? ` ${place.en}` : ""}`];
  }

  /** 昨日、彼は… or 彼は昨日…: time and topic in either order. */
  opening(subject: Subject, time: string): string {
    if (subject.ja === "") return time === "" ? "" : time + (this.chance(0.3) ? "、" : "");
    if (time === "") return `${subject.ja}は`;
    return this.chance(0.5) ? `${subject.ja}は${time}` : `${time}${this.chance(0.5) ? "、" : ""}${subject.ja}は`;
  }

  polite(): boolean {
    return this.chance(0.5);
  }

  /** Sentence-final particle of easy talk, now and then. */
  ending(polite: boolean): string {
    return this.chance(0.06) ? (polite ? this.pick(["ね", "よ"]) : "よ") : "";
  }
}

const be = (subject: Subject, past: boolean) => BE[subject.person][past ? 1 : 0];
const does = (subject: Subject) => (subject.person === "he" ? "does" : "do");
const has = (subject: Subject) => (subject.person === "he" ? "has" : "have");
/** be as a main verb inside forms such as "be late". */
const agree = (text: string, subject: Subject, past: boolean) =>
  text.replace(/^(?:is|was|be)\b/, () => (past ? be(subject, true) : be(subject, false)));

type Make = (g: Grammar) => Pair;

/** Plain statements about the past. */
const past: Make = (g) => {
  const subject = g.chance(0.3) ? g.speaker() : g.subject();
  const doing = g.doing(subject);
  const time = g.chance(0.6) ? g.pick(PAST_TIMES) : undefined;
  const [ja, en] = g.around(doing);
  const polite = g.polite();
  const end = polite ? `${doing.ja.stem}ました` : doing.ja.ta;
  const when = time === undefined ? "" : ` ${time.en}`;
  return [
    `${g.opening(subject, time?.ja ?? "")}${ja}${end}${g.ending(polite)}。`,
    `${subject.en} ${agree(doing.en.past, subject, true)}${en}${when}.`,
  ];
};

const pastNegative: Make = (g) => {
  const subject = g.chance(0.4) ? g.speaker() : g.subject();
  const doing = g.doing(subject);
  if (doing.en.base.startsWith("be ")) return past(g);
  const time = g.chance(0.6) ? g.pick(PAST_TIMES) : undefined;
  const polite = g.polite();
  const end = polite ? `${doing.ja.stem}ませんでした` : `${doing.ja.nai}なかった`;
  const not = g.chance(0.6) ? "did not" : "didn't";
  return [`${g.opening(subject, time?.ja ?? "")}${end}。`, `${subject.en} ${not} ${doing.en.base}${time ? ` ${time.en}` : ""}.`];
};

const habit: Make = (g) => {
  const subject = g.chance(0.3) ? g.speaker() : g.subject();
  const doing = g.doing(subject);
  const time = g.pick(HABITS);
  const [ja, en] = g.around(doing, 0.25);
  const polite = g.polite();
  const end = polite ? `${doing.ja.stem}ます` : doing.ja.dict;
  const verb = agree(doing.en.third, subject, false);
  const isBe = doing.en.base.startsWith("be ");
  const said = time.pre ? (isBe ? verb.replace(" ", ` ${time.en} `) : `${time.en} ${verb}`) : verb;
  return [`${g.opening(subject, time.ja)}${ja}${end}。`, `${subject.en} ${said}${en}${time.pre ? "" : ` ${time.en}`}.`];
};

const habitNegative: Make = (g) => {
  const subject = g.chance(0.4) ? g.speaker() : g.subject();
  const doing = g.doing(subject);
  if (doing.en.base.startsWith("be ")) return habit(g);
  const polite = g.polite();
  const rare = g.chance(0.3);
  const end = polite ? `${doing.ja.stem}ません` : `${doing.ja.nai}ない`;
  const not = g.chance(0.6) ? `${does(subject)} not` : `${does(subject)}n't`;
  const adverb = rare
    ? g.pick([
        ["あまり", "often"],
        ["めったに", ""],
        ["まったく", ""],
      ] as const)
    : undefined;
  if (adverb?.[0] === "めったに") return [`${g.opening(subject, "めったに")}${end}。`, `${subject.en} seldom ${doing.en.third}.`];
  if (adverb?.[0] === "まったく") return [`${g.opening(subject, "決して")}${end}。`, `${subject.en} never ${doing.en.third}.`];
  return [`${g.opening(subject, adverb?.[0] ?? "")}${end}。`, `${subject.en} ${not} ${adverb ? `${adverb[1]} ` : ""}${doing.en.base}.`];
};

const future: Make = (g) => {
  const subject = g.chance(0.4) ? g.speaker() : g.subject();
  const doing = g.doing(subject);
  const time = g.pick(FUTURE_TIMES);
  const [ja, en] = g.around(doing, 0.25);
  const polite = g.polite();
  const kind = g.number(0, 3);
  const ends = [
    polite ? `${doing.ja.stem}ます` : doing.ja.dict,
    polite ? `${doing.ja.dict}つもりです` : `${doing.ja.dict}つもりだ`,
    polite ? `${doing.ja.dict}でしょう` : `${doing.ja.dict}だろう`,
    polite ? `${doing.ja.dict}予定です` : `${doing.ja.dict}予定だ`,
  ];
  const verbs = [
    `will ${doing.en.base}`,
    `${be(subject, false)} going to ${doing.en.base}`,
    `will probably ${doing.en.base}`,
    `${be(subject, false)} planning to ${doing.en.base}`,
  ];
  return [`${g.opening(subject, time.ja)}${ja}${ends[kind]}。`, `${subject.en} ${verbs[kind]}${en} ${time.en}.`];
};

const futureNegative: Make = (g) => {
  const subject = g.chance(0.5) ? g.speaker() : g.subject();
  const doing = g.doing(subject);
  const time = g.pick(FUTURE_TIMES);
  const polite = g.polite();
  const end = polite ? `${doing.ja.stem}ません` : `${doing.ja.nai}ない`;
  return [
    `${g.opening(subject, `${time.ja}は`.replace("にはは", "には"))}${end}。`,
    `${subject.en} ${g.chance(0.5) ? "will not" : "won't"} ${doing.en.base} ${time.en}.`,
  ];
};

const progressive: Make = (g) => {
  const subject = g.chance(0.25) ? g.speaker() : g.subject();
  const doing = g.doing(subject);
  if (/^(?:be|get to|live|keep)\b/.test(doing.en.base)) return past(g);
  const wasPast = g.chance(0.45);
  const polite = g.polite();
  const [ja, en] = g.around(doing, 0.5);
  const nowWords = wasPast
    ? g.pick([
        ["", ""],
        ["そのとき", " then"],
        ["", ""],
        ["一日中", " all day"],
        ["二時間", " for two hours"],
      ] as const)
    : g.pick([
        ["", ""],
        ["今", " now"],
        ["今", " right now"],
        ["", ""],
      ] as const);
  const end = wasPast ? (polite ? "いました" : "いた") : polite ? "います" : "いる";
  return [
    `${g.opening(subject, nowWords[0])}${ja}${doing.ja.te}${end}。`,
    `${subject.en} ${be(subject, wasPast)} ${doing.en.ing}${en}${nowWords[1]}.`,
  ];
};

const question: Make = (g) => {
  const subject = g.chance(0.6) ? (g.chance(0.6) ? YOU : { ...YOU, ja: "あなた" }) : g.other();
  const doing = g.doing(subject);
  if (doing.en.base.startsWith("be ")) return past(g);
  const kind = g.number(0, 3);
  if (kind === 0) {
    const time = g.pick(PAST_TIMES);
    return [`${g.opening(subject, time.ja)}${doing.ja.stem}ましたか。`, `did ${subject.en} ${doing.en.base} ${time.en}?`];
  }
  if (kind === 1) {
    const time = g.pick(HABITS.filter(({ pre }) => !pre));
    return [`${g.opening(subject, time.ja)}${doing.ja.stem}ますか。`, `${does(subject)} ${subject.en} ${doing.en.base} ${time.en}?`];
  }
  if (kind === 2) {
    const time = g.pick(FUTURE_TIMES);
    return [`${g.opening(subject, time.ja)}${doing.ja.stem}ますか。`, `will ${subject.en} ${doing.en.base} ${time.en}?`];
  }
  return [`${g.opening(subject, "今")}${doing.ja.te}いますか。`, `${be(subject, false)} ${subject.en} ${doing.en.ing} now?`];
};

const askWord: Make = (g) => {
  const subject = g.chance(0.5) ? (g.chance(0.5) ? YOU : { ...YOU, ja: "あなた" }) : g.other();
  const doing = g.doing(subject);
  if (doing.en.base.startsWith("be ")) return past(g);
  const words = [
    ["いつ", "when"],
    ["どうして", "why"],
    ["なぜ", "why"],
    ["どうやって", "how"],
    ...(doing.hasPlace
      ? [
          ["どこで", "where"],
          ["誰と", "who"],
        ]
      : [["いつ", "when"]]),
  ] as [string, string][];
  const [ja, en] = g.pick(words);
  const tail = ja === "誰と" ? " with" : "";
  const isPast = g.chance(0.7);
  const plain = g.chance(0.3) || ja === "どうして" || ja === "なぜ";
  const end = isPast
    ? plain
      ? `${doing.ja.ta}のですか`
      : `${doing.ja.stem}ましたか`
    : plain
      ? `${doing.ja.dict}のですか`
      : `${doing.ja.stem}ますか`;
  const aux = isPast ? "did" : g.chance(0.5) ? does(subject) : "will";
  return [`${g.opening(subject, ja)}${end}。`, `${en} ${aux} ${subject.en} ${doing.en.base}${tail}?`];
};

const whatObject: Make = (g) => {
  const subject = g.chance(0.5) ? { ...YOU, ja: g.chance(0.5) ? "あなた" : "" } : g.other();
  const time = g.pick(PAST_TIMES);
  const [stem, base] = g.pick([
    ["食べ", "eat"],
    ["飲み", "drink"],
    ["買い", "buy"],
    ["読み", "read"],
    ["見", "see"],
    ["作り", "make"],
    ["書き", "write"],
    ["し", "do"],
    ["言い", "say"],
    ["聞き", "hear"],
    ["習い", "learn"],
    ["選び", "choose"],
    ["もらい", "get"],
    ["なくし", "lose"],
    ["探し", "look for"],
  ] as const);
  if (g.chance(0.5)) return [`${g.opening(subject, time.ja)}何を${stem}ましたか。`, `what did ${subject.en} ${base} ${time.en}?`];
  const when = g.pick(FUTURE_TIMES);
  return [`${g.opening(subject, when.ja)}何を${stem}ますか。`, `what will ${subject.en} ${base} ${when.en}?`];
};

const request: Make = (g) => {
  const doing = g.doing(YOU);
  const kind = g.number(0, 5);
  const soon = g.chance(0.2)
    ? g.pick([
        ["すぐに", " right away"],
        ["もう一度", " again"],
        ["ここで", " here"],
        ["明日", " tomorrow"],
        ["あとで", " later"],
      ] as const)
    : (["", ""] as const);
  if (kind === 0) return [`${soon[0]}${doing.ja.te}ください。`, `please ${doing.en.base}${soon[1]}.`];
  if (kind === 1) return [`${doing.ja.nai}ないでください。`, `please do not ${doing.en.base}.`];
  if (kind === 2) return [`${soon[0]}${doing.ja.te}くれませんか。`, `will you ${doing.en.base}${soon[1]}?`];
  if (kind === 3) return [`${soon[0]}${doing.ja.te}いただけますか。`, `could you ${doing.en.base}${soon[1]}?`];
  if (kind === 4) return [`${soon[0]}${doing.ja.stem}なさい。`, `${doing.en.base}${soon[1]}.`];
  return [`${doing.ja.te}はいけません。`, `you must not ${doing.en.base}.`];
};

const permission: Make = (g) => {
  const doing = g.doing(NOBODY);
  const [place, where] = doing.hasPlace && g.chance(0.5) ? ["ここで", " here"] : ["", ""];
  if (g.chance(0.5)) return [`${place}${doing.ja.te}もいいですか。`, `${g.chance(0.7) ? "may" : "can"} I ${doing.en.base}${where}?`];
  const you = g.doing(YOU);
  return [`${you.ja.te}もいいです。`, `you may ${you.en.base}.`];
};

const wish: Make = (g) => {
  const subject = g.speaker();
  const doing = g.doing(subject);
  const time = g.chance(0.5) ? g.pick(FUTURE_TIMES) : undefined;
  const when = time ? ` ${time.en}` : "";
  const polite = g.polite() ? "です" : "";
  const open = g.opening(subject, time?.ja ?? "");
  const kind = g.number(0, 4);
  if (kind === 0) return [`${open}${doing.ja.stem}たくない${polite}。`, `I do not want to ${doing.en.base}${when}.`];
  if (kind === 1) return [`${open}${doing.ja.stem}たかった${polite}。`.replace(time?.ja ?? "\0", ""), `I wanted to ${doing.en.base}.`];
  if (kind === 2) {
    const who = g.other();
    const their = g.doing(who);
    return [`${who.ja}は${their.ja.stem}たがっている。`, `${who.en} ${who.person === "he" ? "wants" : "want"} to ${their.en.base}.`];
  }
  if (kind === 3) {
    const you = g.doing(YOU);
    return [`あなたに${you.ja.te}ほしい${polite}。`, `I want you to ${you.en.base}.`];
  }
  return [`${open}${doing.ja.stem}たい${polite}。`, `I ${g.chance(0.7) ? "want" : "would like"} to ${doing.en.base}${when}.`];
};

const duty: Make = (g) => {
  const subject = g.chance(0.5) ? g.speaker() : g.subject();
  const doing = g.doing(subject);
  const time = g.chance(0.4) ? g.pick(FUTURE_TIMES) : undefined;
  const when = time ? ` ${time.en}` : "";
  const polite = g.polite();
  const must = subject.person === "he" ? "has to" : "have to";
  const open = g.opening(subject, time?.ja ?? "");
  const kind = g.number(0, 4);
  if (kind === 0)
    return [
      `${open}${doing.ja.nai}なくてもいい${polite ? "です" : ""}。`,
      `${subject.en} ${does(subject)} not have to ${doing.en.base}${when}.`,
    ];
  if (kind === 1) return [`${open}${doing.ja.dict}べき${polite ? "です" : "だ"}。`, `${subject.en} should ${doing.en.base}${when}.`];
  if (kind === 2) return [`${open}${doing.ja.ta}ほうがいい${polite ? "です" : ""}。`, `${subject.en} had better ${doing.en.base}${when}.`];
  const end = polite ? "なければなりません" : "なければならない";
  if (kind === 3) return [`${g.opening(subject, "")}${doing.ja.nai}なければならなかった。`, `${subject.en} had to ${doing.en.base}.`];
  return [`${open}${doing.ja.nai}${end}。`, `${subject.en} ${g.chance(0.6) ? must : "must"} ${doing.en.base}${when}.`];
};

const ability: Make = (g) => {
  const subject = g.chance(0.3) ? g.speaker() : g.subject();
  const doing = g.doing(subject);
  const polite = g.polite();
  const kind = g.number(0, 4);
  const open = g.opening(subject, "");
  if (kind === 0) return [`${open}${doing.ja.dict}ことができ${polite ? "ます" : "る"}。`, `${subject.en} can ${doing.en.base}.`];
  if (kind === 1)
    return [
      `${open}${doing.ja.dict}ことができ${polite ? "ません" : "ない"}。`,
      `${subject.en} ${g.chance(0.5) ? "cannot" : "can't"} ${doing.en.base}.`,
    ];
  if (kind === 2)
    return [`${open}${doing.ja.dict}ことができ${polite ? "ませんでした" : "なかった"}。`, `${subject.en} could not ${doing.en.base}.`];
  const can = doing.ja.can.slice(0, -1);
  if (kind === 3) return [`${open}${swapObject(can)}${polite ? "ません" : "ない"}。`, `${subject.en} cannot ${doing.en.base}.`];
  return [`${open}${swapObject(can)}${polite ? "ます" : "る"}。`, `${subject.en} can ${doing.en.base}.`];
};

/** 英語を話せる is said 英語が話せる. */
const swapObject = (text: string) => text.replace(/を(?=[^を]*$)/, "が");

const invitation: Make = (g) => {
  const doing = g.doing({ ...NOBODY, own: "our" });
  const time = g.chance(0.5) ? g.pick(FUTURE_TIMES) : undefined;
  const [ja, en] = g.around(doing, 0.3);
  const when = time ? ` ${time.en}` : "";
  const kind = g.number(0, 3);
  if (kind === 0) return [`${time?.ja ?? ""}${ja}${doing.ja.stem}ましょう。`, `let's ${doing.en.base}${en}${when}.`];
  if (kind === 1)
    return [
      `${time?.ja ?? ""}一緒に${doing.ja.stem}ませんか。`,
      `${g.chance(0.5) ? "why don't we" : "shall we"} ${doing.en.base} together${when}?`,
    ];
  if (kind === 2) return [`${time?.ja ?? ""}${ja}${doing.ja.volitional}。`, `let's ${doing.en.base}${en}${when}.`];
  return [`${time?.ja ?? ""}${doing.ja.stem}ましょうか。`, `shall we ${doing.en.base}${when}?`];
};

const experience: Make = (g) => {
  const kind = g.number(0, 3);
  if (kind === 0) {
    const you = g.doing(YOU);
    return [`${you.ja.ta}ことがありますか。`, `have you ever ${you.en.done}?`];
  }
  const subject = g.chance(0.5) ? g.speaker() : g.subject();
  const doing = g.doing(subject);
  const polite = g.polite();
  const open = g.opening(subject, "");
  if (kind === 1)
    return [
      `${open}一度も${doing.ja.ta}ことが${polite ? "ありません" : "ない"}。`,
      `${subject.en} ${has(subject)} never ${doing.en.done}.`,
    ];
  if (kind === 2)
    return [`${open}もう${polite ? `${doing.ja.stem}ました` : doing.ja.ta}。`, `${subject.en} ${has(subject)} already ${doing.en.done}.`];
  const [times, often] = g.pick([
    ["", " before"],
    ["前に", " before"],
    ["二回", " twice"],
    ["何度も", " many times"],
    ["三度", " three times"],
  ] as const);
  return [
    `${open}${times}${doing.ja.ta}ことが${polite ? "あります" : "ある"}。`,
    `${subject.en} ${has(subject)} ${doing.en.done}${often}.`,
  ];
};

const notYet: Make = (g) => {
  const subject = g.chance(0.4) ? g.speaker() : g.subject();
  const doing = g.doing(subject);
  const polite = g.polite();
  if (g.chance(0.4))
    return [
      `${g.opening(subject, "ちょうど")}${doing.ja.ta}ところ${polite ? "です" : "だ"}。`,
      `${subject.en} ${has(subject)} just ${doing.en.done}.`,
    ];
  return [
    `${g.opening(subject, "まだ")}${doing.ja.te}い${polite ? "ません" : "ない"}。`,
    `${subject.en} ${has(subject)} not ${doing.en.done} yet.`,
  ];
};

const liking: Make = (g) => {
  const subject = g.chance(0.4) ? g.speaker() : g.subject();
  const doing = g.doing(subject);
  const polite = g.polite() ? "です" : "だ";
  const s = subject.person === "he" ? "s" : "";
  const open = g.opening(subject, "");
  const kind = g.number(0, 6);
  if (kind === 0)
    return [
      `${open}${doing.ja.dict}のが好き${polite}。`,
      `${subject.en} like${s} ${g.chance(0.5) ? doing.en.ing : `to ${doing.en.base}`}.`,
    ];
  if (kind === 1) return [`${open}${doing.ja.dict}のが上手${polite}。`, `${subject.en} ${be(subject, false)} good at ${doing.en.ing}.`];
  if (kind === 2) return [`${open}${doing.ja.dict}のが嫌い${polite}。`, `${subject.en} ${does(subject)} not like ${doing.en.ing}.`];
  if (kind === 3) return [`${doing.ja.dict}のは${g.pick(["楽しい", "面白い"])}${g.chance(0.5) ? "です" : ""}。`, `${doing.en.ing} is fun.`];
  const object = g.thing(["food", "sport", "study", "animal", "drink"], subject);
  const bare = /^(?:an? )(.+)/.exec(object.en);
  const en = bare ? plural(bare[1]!) : object.en;
  if (kind === 4) return [`${open}${object.ja}が大好き${polite}。`, `${subject.en} love${s} ${en}.`];
  if (kind === 5) return [`${open}${object.ja}が嫌い${polite}。`, `${subject.en} hate${s} ${en}.`];
  return [`${open}${object.ja}が好き${polite}。`, `${subject.en} like${s} ${en}.`];
};

function plural(phrase: string): string {
  for (const list of Object.values(NOUNS)) {
    const noun = list.find(({ en, plural: many }) => many !== undefined && phrase.endsWith(en));
    if (noun) return phrase.slice(0, -noun.en.length) + noun.plural!;
  }
  return phrase;
}

const reason: Make = (g) => {
  const why = g.pick(REASONS);
  const subject = g.speaker();
  const doing = g.doing(subject);
  const polite = g.polite();
  const not = g.chance(0.3) && !doing.en.base.startsWith("be ");
  const end = not ? (polite ? `${doing.ja.stem}ませんでした` : `${doing.ja.nai}なかった`) : polite ? `${doing.ja.stem}ました` : doing.ja.ta;
  const then = not ? `I did not ${doing.en.base}` : `I ${agree(doing.en.past, subject, true)}`;
  const link = g.pick(["ので", "から"]);
  const open = subject.ja === "" ? "" : `${subject.ja}は`;
  return [`${why.ja}${link}、${open}${end}。`, g.chance(0.5) ? `${why.en}, so ${then}.` : `${then} because ${lower(why.en)}.`];
};

const lower = (text: string) => (text.startsWith("I ") ? text : text[0]!.toLowerCase() + text.slice(1));

const contrast: Make = (g) => {
  const why = g.pick(REASONS);
  const subject = g.speaker();
  const doing = g.doing(subject);
  const polite = g.polite();
  const end = polite ? `${doing.ja.stem}ました` : doing.ja.ta;
  if (g.chance(0.5)) return [`${why.ja}が、${end}。`, `${why.en}, but I ${agree(doing.en.past, subject, true)}.`];
  return [`${why.ja}のに、${end}。`, `I ${agree(doing.en.past, subject, true)} even though ${lower(why.en)}.`];
};

const condition: Make = (g) => {
  const when = g.pick(CONDITIONS);
  const subject = g.speaker();
  const doing = g.doing(subject);
  const polite = g.polite();
  const kind = g.number(0, 3);
  if (kind === 0) return [`${when.ja}、${doing.ja.stem}たい${polite ? "です" : ""}。`, `I want to ${doing.en.base} ${when.en}.`];
  if (kind === 1) return [`${when.ja}、${doing.ja.te}ください。`, `${when.en}, please ${g_you(doing.en.base)}.`];
  if (kind === 2) return [`${when.ja}、${doing.ja.stem}ましょう。`, `${when.en}, let's ${doing.en.base.replace(/\bmy\b/, "our")}.`];
  return [`${when.ja}、${polite ? `${doing.ja.stem}ます` : doing.ja.dict}。`, `${when.en}, I will ${doing.en.base}.`];
};

const g_you = (text: string) => text.replace(/\bmy\b/g, "your");

/** Before, after, while, when: two doings of one person. */
const sequence: Make = (g) => {
  const subject = g.chance(0.4) ? g.speaker() : g.subject();
  const first = g.doing(subject);
  const second = g.doing(subject);
  const polite = g.polite();
  const end = polite ? `${second.ja.stem}ました` : second.ja.ta;
  const verb = agree(second.en.past, subject, true);
  const open = g.opening(subject, "");
  const kind = g.number(0, 6);
  if (kind === 0) return [`${open}${first.ja.dict}前に${end}。`, `${subject.en} ${verb} before ${first.en.ing}.`];
  if (kind === 1) return [`${open}${first.ja.te}から${end}。`, `${subject.en} ${verb} after ${first.en.ing}.`];
  if (kind === 2) return [`${open}${first.ja.ta}後で${end}。`, `after ${first.en.ing}, ${subject.en} ${verb}.`];
  if (kind === 3)
    return [
      `${open}${first.ja.stem}ながら${second.ja.te}${polite ? "いました" : "いた"}。`,
      `${subject.en} ${be(subject, true)} ${second.en.ing} while ${first.en.ing}.`,
    ];
  if (kind === 4) return [`${open}${first.ja.te}、${end}。`, `${subject.en} ${agree(first.en.past, subject, true)} and ${verb}.`];
  if (kind === 5) return [`${open}${first.ja.nai}ないで${end}。`, `${subject.en} ${verb} without ${first.en.ing}.`];
  return [
    `${open}${first.ja.ta}り${second.ja.ta}り${polite ? "しました" : "した"}。`,
    `${subject.en} did things like ${first.en.ing} and ${second.en.ing}.`,
  ];
};

const twoPeople: Make = (g) => {
  const [a, b] = [g.other(), g.other()];
  const first = g.doing(a);
  const second = g.doing(b);
  if (a.en === b.en) return sequence(g);
  const polite = g.polite();
  const kind = g.number(0, 2);
  if (kind === 0)
    return [
      `${a.ja}が${first.ja.te}いるとき、${b.ja}は${second.ja.te}${polite ? "いました" : "いた"}。`,
      `while ${a.en} ${be(a, true)} ${first.en.ing}, ${b.en} ${be(b, true)} ${second.en.ing}.`,
    ];
  if (kind === 1)
    return [
      `${a.ja}は${polite ? `${first.ja.stem}ましたが` : `${first.ja.ta}が`}、${b.ja}は${polite ? `${second.ja.stem}ませんでした` : `${second.ja.nai}なかった`}。`,
      `${a.en} ${agree(first.en.past, a, true)}, but ${b.en} did not ${second.en.base}.`,
    ];
  return [
    `${a.ja}が${first.ja.ta}とき、私は${second.ja.te}${polite ? "いました" : "いた"}。`,
    `when ${a.en} ${agree(first.en.past, a, true)}, I was ${second.en.ing.replace(new RegExp(`\\b${b.own}\\b`), "my")}.`,
  ];
};

/** Said, thought, heard, known. */
const reported: Make = (g) => {
  const subject = g.other();
  const doing = g.doing(subject);
  const time = g.chance(0.4) ? g.pick(FUTURE_TIMES) : undefined;
  const when = time ? ` ${time.en}` : "";
  const polite = g.polite();
  const kind = g.number(0, 7);
  const pastSaid = agree(doing.en.past, subject, true);
  if (kind === 0)
    return [
      `${subject.ja}は${time?.ja ?? ""}${doing.ja.dict}と言${polite ? "いました" : "った"}。`,
      `${subject.en} said ${pronoun(subject)} would ${doing.en.base}${when}.`,
    ];
  if (kind === 1)
    return [
      `${subject.ja}は${time?.ja ?? ""}${doing.ja.dict}と思${polite ? "います" : "う"}。`,
      `I think ${subject.en} will ${doing.en.base}${when}.`,
    ];
  if (kind === 2) return [`${subject.ja}は${doing.ja.ta}そう${polite ? "です" : "だ"}。`, `I hear that ${subject.en} ${pastSaid}.`];
  if (kind === 3)
    return [
      `${subject.ja}は${time?.ja ?? ""}${doing.ja.dict}かもしれ${polite ? "ません" : "ない"}。`,
      `${subject.en} may ${doing.en.base}${when}.`,
    ];
  if (kind === 4)
    return [`${subject.ja}が${doing.ja.ta}ことを知って${polite ? "います" : "いる"}。`, `I know that ${subject.en} ${pastSaid}.`];
  if (kind === 5)
    return [`${subject.ja}は${doing.ja.ta}に違い${polite ? "ありません" : "ない"}。`, `${subject.en} must have ${doing.en.done}.`];
  if (kind === 6)
    return [
      `${subject.ja}に${doing.ja.dict}ように言${polite ? "いました" : "った"}。`,
      `I told ${objective(subject)} to ${doing.en.base}.`,
    ];
  return [`${subject.ja}は${doing.ja.ta}ようだ。`, `it seems that ${subject.en} ${pastSaid}.`];
};

const pronoun = (subject: Subject) =>
  subject.person === "they" ? "they" : subject.own === "her" ? "she" : subject.own === "their" ? "they" : "he";
const objective = (subject: Subject) => ({ he: "him", she: "her", they: "them" })[subject.en] ?? subject.en;

const giving: Make = (g) => {
  const who = g.other();
  const object = g.thing(["thing", "read", "food"], NOBODY);
  const polite = g.polite();
  const time = g.chance(0.4) ? g.pick(PAST_TIMES) : undefined;
  const when = time ? ` ${time.en}` : "";
  const kind = g.number(0, 5);
  const day = time?.ja ?? "";
  if (kind === 0)
    return [`${day}${who.ja}に${object.ja}をあげ${polite ? "ました" : "た"}。`, `I gave ${objective(who)} ${object.en}${when}.`];
  if (kind === 1) return [`${day}${who.ja}が${object.ja}をくれ${polite ? "ました" : "た"}。`, `${who.en} gave me ${object.en}${when}.`];
  if (kind === 2)
    return [`${day}${who.ja}から${object.ja}をもら${polite ? "いました" : "った"}。`, `I got ${object.en} from ${objective(who)}${when}.`];
  if (kind === 3)
    return [`${day}${who.ja}に${object.ja}を貸${polite ? "しました" : "した"}。`, `I lent ${object.en} to ${objective(who)}${when}.`];
  if (kind === 4)
    return [`${day}${who.ja}が${object.ja}を買ってくれ${polite ? "ました" : "た"}。`, `${who.en} bought me ${object.en}${when}.`];
  return [`${day}${who.ja}に${object.ja}を見せ${polite ? "ました" : "た"}。`, `I showed ${object.en} to ${objective(who)}${when}.`];
};

const helped: Make = (g) => {
  const who = g.other();
  const doing = g.doing(who);
  const polite = g.polite();
  const kind = g.number(0, 3);
  if (kind === 0)
    return [`${who.ja}が${doing.ja.te}くれ${polite ? "ました" : "た"}。`, `${who.en} ${agree(doing.en.past, who, true)} for me.`];
  if (kind === 1) return [`${who.ja}に${doing.ja.te}もら${polite ? "いました" : "った"}。`, `I had ${objective(who)} ${doing.en.base}.`];
  if (kind === 2) return [`${who.ja}が${doing.ja.dict}のを見${polite ? "ました" : "た"}。`, `I saw ${objective(who)} ${doing.en.base}.`];
  return [`${who.ja}が${doing.ja.dict}のを手伝${polite ? "いました" : "った"}。`, `I helped ${objective(who)} ${doing.en.base}.`];
};

/** This is the bag that he bought yesterday. */
const relative: Make = (g) => {
  const who = g.chance(0.4) ? { ...NOBODY, ja: "私" } : g.subject();
  const [ta, verb, kinds] = g.pick([
    ["買った", "bought", "thing read food"],
    ["読んだ", "read", "read"],
    ["作った", "made", "make"],
    ["書いた", "wrote", "write"],
    ["見た", "saw", "watch"],
    ["くれた", "gave me", "thing read"],
    ["借りた", "borrowed", "read thing"],
    ["食べた", "ate", "food"],
    ["なくした", "lost", "thing"],
    ["使った", "used", "thing"],
    ["選んだ", "chose", "thing food"],
    ["見つけた", "found", "thing"],
    ["送った", "sent", "read thing"],
  ] as const);
  if (ta === "くれた" && who.person === "i") return relative(g);
  const kind = g.pick(kinds.split(" "));
  const noun = g.pick(NOUNS[kind]!.filter(({ en }) => !/^(?:the|my) /.test(en)));
  const time = g.chance(0.5) ? g.pick(PAST_TIMES) : undefined;
  const when = time ? ` ${time.en}` : "";
  const isMany = noun.plural === undefined && /s$/.test(noun.en);
  const clause = `${who.ja}が${time?.ja ?? ""}${ta}${noun.ja}`;
  const head = `the ${noun.en} ${g.chance(0.5) ? "that " : ""}${who.en} ${verb}${when}`;
  const polite = g.polite();
  const adjective = g.adjectiveFor(kind);
  if (g.chance(0.4) || adjective === undefined || !adjective.ja.endsWith("い"))
    return [`これは${clause}${polite ? "です" : "だ"}。`, `${isMany ? "these are" : "this is"} ${head}.`];
  if (g.chance(0.5)) return [`${clause}は${adjective.ja}${polite ? "です" : ""}。`, `${head} ${isMany ? "are" : "is"} ${adjective.en}.`];
  return [`${clause}は${adjective.ja.slice(0, -1)}かった${polite ? "です" : ""}。`, `${head} ${isMany ? "were" : "was"} ${adjective.en}.`];
};

const doer: Make = (g) => {
  const who = g.other();
  const doing = g.doing(who);
  const [ja, en] = g.around(doing, 0.5);
  const [noun, name] = g.pick([
    ["人", "person"],
    ["男の人", "man"],
    ["女の人", "woman"],
    ["男の子", "boy"],
    ["女の子", "girl"],
    ["学生", "student"],
    ["子供", "child"],
    ["少年", "boy"],
    ["少女", "girl"],
  ] as const);
  const polite = g.polite() ? "です" : "だ";
  const own = /woman|girl/.test(name) ? "her" : "his";
  const ing = doing.en.ing.replace(new RegExp(`\\b${who.own}\\b`), own);
  if (/^(?:be|get to)\b/.test(doing.en.base)) return past(g);
  const [be1, whom] = g.pick([
    ["私の友達", "my friend"],
    ["私の兄", "my older brother"],
    ["ケン", "Ken"],
    ["私の息子", "my son"],
    ["田中さん", "Mr. Tanaka"],
  ] as const);
  if (/woman|girl/.test(name)) return [`${ja}${doing.ja.te}いる${noun}は誰ですか。`, `who is the ${name} ${ing}${en}?`];
  return [`${ja}${doing.ja.te}いる${noun}は${be1}${polite}。`, `the ${name} ${ing}${en} is ${whom}.`];
};

const existence: Make = (g) => {
  const spot = g.pick(SPOTS);
  const polite = g.polite();
  const kind = g.number(0, 6);
  const isAnimal = g.chance(0.25);
  const noun = g.pick(NOUNS[isAnimal ? "animal" : g.chance(0.8) ? "thing" : "food"]!);
  const verb = isAnimal ? (polite ? "います" : "いる") : polite ? "あります" : "ある";
  const a = noun.plural === undefined ? `some ${noun.en}` : withArticle(noun.en);
  const is = noun.plural === undefined && /s$/.test(noun.en) ? "are" : "is";
  if (kind === 0) {
    const count = g.number(2, 9);
    if (noun.plural === undefined) return existence(g);
    const ja = isAnimal ? `${KANJI[count]}匹` : `${["", "", "二つ", "三つ", "四つ", "五つ", "六つ", "七つ", "八つ", "九つ"][count]}`;
    return [`${spot.ja}${noun.ja}が${ja}${verb}。`, `there are ${NUMBERS[count]} ${noun.plural} ${spot.en}.`];
  }
  if (kind === 1)
    return [
      `${spot.ja}${noun.ja}は${isAnimal ? (polite ? "いません" : "いない") : polite ? "ありません" : "ない"}。`,
      `there ${is} no ${noun.en} ${spot.en}.`,
    ];
  if (kind === 2) return [`${noun.ja}は${spot.ja}${verb}。`, `the ${noun.en} ${is} ${spot.en}.`];
  if (kind === 3)
    return [
      `${spot.ja}${noun.ja}が${isAnimal ? (polite ? "いました" : "いた") : polite ? "ありました" : "あった"}。`,
      `there ${is === "are" ? "were" : "was"} ${a} ${spot.en}.`,
    ];
  if (kind === 4)
    return [`私の${noun.ja}はどこ${isAnimal ? "にいますか" : g.chance(0.5) ? "ですか" : "にありますか"}。`, `where ${is} my ${noun.en}?`];
  if (kind === 5 && noun.plural !== undefined)
    return [`${spot.ja}${noun.ja}がたくさん${verb}。`, `there are a lot of ${noun.plural} ${spot.en}.`];
  return [`${spot.ja}${noun.ja}が${verb}。`, `there ${is} ${a} ${spot.en}.`];
};

const town: Make = (g) => {
  const noun = g.pick(NOUNS.building!);
  const polite = g.polite();
  const kind = g.number(0, 5);
  if (kind === 0) return [`${noun.ja}はどこにありますか。`, `where is the ${noun.en}?`];
  if (kind === 1) return [`この近くに${noun.ja}はありますか。`, `is there ${withArticle(noun.en)} near here?`];
  if (kind === 2) {
    const [ja, en] = g.pick([
      ["右", "right"],
      ["左", "left"],
    ] as const);
    return [`${noun.ja}の角を${ja}に曲がってください。`, `please turn ${en} at the corner of the ${noun.en}.`];
  }
  if (kind === 3) {
    const [ja, en] = g.pick([
      ["前", "in front of"],
      ["隣", "next to"],
      ["後ろ", "behind"],
      ["近く", "near"],
      ["向かい", "across from"],
    ] as const);
    const other = g.pick(NOUNS.building!);
    return [
      `${noun.ja}は${other.ja}の${ja}にあり${polite ? "ます" : "る"}。`.replace("ありる", "ある"),
      `the ${noun.en} is ${en} the ${other.en}.`,
    ];
  }
  if (kind === 4) {
    const minutes = g.pick([5, 10, 15, 20, 30, 40]);
    const by = g.pick([
      ["歩いて", "on foot"],
      ["バスで", "by bus"],
      ["車で", "by car"],
      ["電車で", "by train"],
      ["自転車で", "by bicycle"],
    ] as const);
    const words: Record<number, [string, string]> = {
      5: ["五分", "five minutes"],
      10: ["十分", "ten minutes"],
      15: ["十五分", "fifteen minutes"],
      20: ["二十分", "twenty minutes"],
      30: ["三十分", "thirty minutes"],
      40: ["四十分", "forty minutes"],
    };
    const [ja, en] = words[minutes]!;
    return [
      `ここから${noun.ja}まで${by[0]}${ja}かかり${polite ? "ます" : "る"}。`.replace("かかりる", "かかる"),
      `it takes ${en} from here to the ${noun.en} ${by[1]}.`,
    ];
  }
  const adjective = g.pick(ADJECTIVES.place!);
  return describe(g, `この${noun.ja}`, `this ${noun.en}`, adjective, false);
};

/** Something is so, was so, is not so. */
function describe(g: Grammar, ja: string, en: string, adjective: Adjective, isMany: boolean): Pair {
  const polite = g.polite();
  const isI = adjective.ja.endsWith("い");
  const root = adjective.ja.slice(0, -1).replace(/い$/, (end) => (isI && adjective.ja.endsWith("いい") ? "よ" : end));
  const stem = isI && /(?:^|が)いい$/.test(adjective.ja) ? `${adjective.ja.slice(0, -2)}よ` : root;
  const [is, was] = isMany ? ["are", "were"] : ["is", "was"];
  const very = g.chance(0.25)
    ? g.pick([
        ["とても", "very "],
        ["少し", "a little "],
        ["かなり", "quite "],
      ] as const)
    : (["", ""] as const);
  const kind = g.number(0, 5);
  const end = polite ? "です" : "";
  if (kind <= 1)
    return [
      `${ja}は${very[0]}${isI ? `${adjective.ja}${end}` : `${stem}${polite ? "です" : "だ"}`}。`,
      `${en} ${is} ${very[1]}${adjective.en}.`,
    ];
  if (kind === 2)
    return [
      `${ja}は${very[0]}${isI ? `${stem}かった${end}` : `${stem}${polite ? "でした" : "だった"}`}。`,
      `${en} ${was} ${very[1]}${adjective.en}.`,
    ];
  if (kind === 3)
    return [
      `${ja}は${isI ? `${stem}くない${end}` : `${stem}${polite ? "ではありません" : "ではない"}`}。`,
      `${en} ${is} not ${adjective.en}.`,
    ];
  if (kind === 4)
    return [
      `${ja}は${isI ? `${stem}くなかった${end}` : `${stem}${polite ? "ではありませんでした" : "ではなかった"}`}。`,
      `${en} ${was} not ${adjective.en}.`,
    ];
  return [`${ja}は${isI ? adjective.ja : stem}ですか。`, `${is} ${en} ${adjective.en}?`];
}

const described: Make = (g) => {
  const roll = g.number(0, 4);
  if (roll <= 1) {
    const who = g.other();
    const adjective = g.pick(ADJECTIVES.person!.filter(({ ja }) => !ja.startsWith("美")));
    return describe(g, who.ja, who.en, adjective, who.person === "they");
  }
  const kind = g.pick(["thing", "food", "read"]);
  const noun = g.pick(NOUNS[kind]!);
  const adjective = g.adjectiveFor(kind)!;
  const isMany = noun.plural === undefined && /s$/.test(noun.en);
  const [ja, en] = g.pick([
    [`この${noun.ja}`, `${isMany ? "these" : "this"} ${noun.en}`],
    [`その${noun.ja}`, `the ${noun.en}`],
    [`あの${noun.ja}`, `${isMany ? "those" : "that"} ${noun.en}`],
    [`彼の${noun.ja}`, `his ${noun.en}`],
    [`彼女の${noun.ja}`, `her ${noun.en}`],
    [`父の${noun.ja}`, `my father's ${noun.en}`],
    [`私の${noun.ja}`, `my ${noun.en}`],
    [`あなたの${noun.ja}`, `your ${noun.en}`],
  ] as const);
  return describe(g, ja, en, adjective, isMany);
};

const becoming: Make = (g) => {
  const who = g.other();
  const adjective = g.pick(ADJECTIVES.person!);
  const isI = adjective.ja.endsWith("い") && !adjective.ja.endsWith("いい");
  const stem = adjective.ja.slice(0, -1);
  if (!isI && !adjective.ja.endsWith("な")) return described(g);
  const polite = g.polite();
  if (g.chance(0.5))
    return [`${who.ja}は${isI ? `${stem}く` : `${stem}に`}な${polite ? "りました" : "った"}。`, `${who.en} became ${adjective.en}.`];
  return [
    `${who.ja}は${isI ? `${stem}` : `${stem}`}そうに見え${polite ? "ます" : "る"}。`,
    `${who.en} look${who.person === "he" ? "s" : ""} ${adjective.en}.`,
  ];
};

const comparison: Make = (g) => {
  const polite = g.polite();
  const kind = g.number(0, 4);
  if (kind <= 1) {
    const [a, b] = [g.other(), g.other()];
    const adjective = g.pick(ADJECTIVES.person!.filter(({ ja }) => ja.endsWith("い") || ja.endsWith("な")));
    if (a.en === b.en) return described(g);
    const isI = adjective.ja.endsWith("い");
    const end = isI ? `${adjective.ja}${polite ? "です" : ""}` : `${adjective.ja.slice(0, -1)}${polite ? "です" : "だ"}`;
    return [`${a.ja}は${b.ja}より${end}。`, `${a.en} ${be(a, false)} ${adjective.more} than ${objective(b)}.`];
  }
  const group = g.pick(["thing", "food", "read"]);
  const [a, b] = [g.pick(NOUNS[group]!), g.pick(NOUNS[group]!)];
  const adjective = g.adjectiveFor(group)!;
  const isI = adjective.ja.endsWith("い");
  if (kind === 2)
    return [
      `${a.ja}と${b.ja}では、どちらが好きですか。`.replace("では、どちら", "ではどちら"),
      `which do you prefer, ${many(a)} or ${many(b)}?`,
    ];
  if (!isI || a.plural === undefined) return described(g);
  if (kind === 3)
    return [`この${a.ja}はあの${a.ja}より${adjective.ja}${polite ? "です" : ""}。`, `this ${a.en} is ${adjective.more} than that one.`];
  const most = adjective.more.startsWith("more ") ? `most ${adjective.en}` : superlative(adjective);
  return [`これは店で一番${adjective.ja}${a.ja}${polite ? "です" : "だ"}。`, `this is the ${most} ${a.en} in the shop.`];
};

const superlative = ({ en, more }: Adjective) => (en === "bad" ? "worst" : en === "well" ? "best" : more.replace(/r$/, "st"));
const many = (noun: Noun) => noun.plural ?? noun.en;

const being: Make = (g) => {
  const who = g.chance(0.3) ? g.speaker() : g.subject();
  const job = g.pick(NOUNS.job!);
  const polite = g.polite();
  const isMany = who.person === "they" || who.person === "we";
  const a = isMany ? job.plural! : withArticle(job.en);
  const open = g.opening(who, "");
  const kind = g.number(0, 6);
  if (kind === 0) return [`${open}${job.ja}では${polite ? "ありません" : "ない"}。`, `${who.en} ${be(who, false)} not ${a}.`];
  if (kind === 1) return [`${open}${job.ja}${polite ? "でした" : "だった"}。`, `${who.en} ${be(who, true)} ${a}.`];
  if (kind === 2)
    return [`${open}${job.ja}になりたい${polite ? "です" : ""}。`.replace(/^.*は/, "私は"), `I want to be ${withArticle(job.en)}.`];
  if (kind === 3) return [`${open}${job.ja}になった。`, `${who.en} became ${a}.`];
  if (kind === 4)
    return [
      `${open}有名な${job.ja}${polite ? "です" : "だ"}。`,
      `${who.en} ${be(who, false)} ${isMany ? `famous ${job.plural}` : `a famous ${job.en}`}.`,
    ];
  if (kind === 5) return [`${who.ja || "あなた"}は${job.ja}ですか。`, `${who.ja === "" ? "are you" : `${be(who, false)} ${who.en}`} ${a}?`];
  return [`${open}${job.ja}${polite ? "です" : "だ"}。`, `${who.en} ${be(who, false)} ${a}.`];
};

const WEATHER_NOW = [
  ["雨が降っている", "雨が降っています", "it is raining"],
  ["雪が降っている", "雪が降っています", "it is snowing"],
  ["風が強い", "風が強いです", "the wind is strong"],
  ["天気がいい", "天気がいいです", "the weather is good"],
  ["とても暑い", "とても暑いです", "it is very hot"],
  ["とても寒い", "とても寒いです", "it is very cold"],
  ["暖かい", "暖かいです", "it is warm"],
  ["涼しい", "涼しいです", "it is cool"],
  ["曇っている", "曇っています", "it is cloudy"],
  ["晴れている", "晴れています", "it is sunny"],
  ["蒸し暑い", "蒸し暑いです", "it is hot and humid"],
  ["空が青い", "空が青いです", "the sky is blue"],
] as const;
const WEATHER_PAST = [
  ["雨が降った", "雨が降りました", "it rained"],
  ["雪が降った", "雪が降りました", "it snowed"],
  ["雪がたくさん降った", "雪がたくさん降りました", "it snowed a lot"],
  ["風が強かった", "風が強かったです", "the wind was strong"],
  ["天気がよかった", "天気がよかったです", "the weather was good"],
  ["とても暑かった", "とても暑かったです", "it was very hot"],
  ["寒かった", "寒かったです", "it was cold"],
  ["晴れていた", "晴れていました", "it was sunny"],
  ["曇っていた", "曇っていました", "it was cloudy"],
  ["大雨だった", "大雨でした", "it rained heavily"],
  ["一日中雨だった", "一日中雨でした", "it rained all day"],
] as const;
const WEATHER_NEXT = [
  ["雨が降る", "rain"],
  ["雪が降る", "snow"],
  ["晴れる", "be sunny"],
  ["曇る", "be cloudy"],
  ["暑くなる", "get hot"],
  ["寒くなる", "get cold"],
  ["風が強くなる", "get windy"],
  ["暖かくなる", "get warm"],
] as const;

const weather: Make = (g) => {
  const polite = g.polite();
  const kind = g.number(0, 3);
  if (kind === 0) {
    const [plain, kind2, en] = g.pick(WEATHER_NOW);
    const [ja, when] = g.pick([
      ["今日は", " today"],
      ["", ""],
      ["外は", " outside"],
      ["今", " now"],
      ["東京は", " in Tokyo"],
      ["ここは", " here"],
    ] as const);
    return [`${ja}${polite ? kind2 : plain}。`, `${en}${when}.`];
  }
  if (kind === 1) {
    const [plain, kind2, en] = g.pick(WEATHER_PAST);
    const time = g.pick(PAST_TIMES.slice(0, 20));
    return [`${time.ja}は${polite ? kind2 : plain}。`.replace("にはは", "には"), `${en} ${time.en}.`];
  }
  const [dict, base] = g.pick(WEATHER_NEXT);
  const time = g.pick(FUTURE_TIMES.slice(0, 12));
  if (kind === 2)
    return [`${time.ja}は${dict}${polite ? "でしょう" : "だろう"}。`, `it will ${g.chance(0.5) ? "probably " : ""}${base} ${time.en}.`];
  return [`${time.ja}は${dict}${g.chance(0.5) ? "と思います" : `かもしれ${polite ? "ません" : "ない"}`}。`, `it may ${base} ${time.en}.`];
};

const clock: Make = (g) => {
  const hour = g.number(1, 12);
  const [h, e] = [KANJI[hour]!, NUMBERS[hour]!];
  const [minuteJa, minute] = g.pick([
    ["", ""],
    ["半", "thirty"],
    ["十分", "ten"],
    ["十五分", "fifteen"],
    ["二十分", "twenty"],
    ["五十分", "fifty"],
  ] as const);
  const time = minute === "" ? `${e} o'clock` : `${e} ${minute}`;
  const ja = `${h}時${minuteJa}`;
  const kind = g.number(0, 5);
  const subject = g.subject();
  if (kind === 0) return [`今、${ja}です。`, `it is ${time} now.`];
  if (kind === 1) {
    const [doc, what] = g.pick([
      ["授業", "class"],
      ["会議", "the meeting"],
      ["映画", "the movie"],
      ["仕事", "work"],
      ["学校", "school"],
      ["試合", "the game"],
      ["パーティー", "the party"],
      ["店", "the shop"],
      ["銀行", "the bank"],
    ] as const);
    const shop = /shop|bank/.test(what);
    const [end, verb] = g.pick<readonly [string, string]>(
      shop
        ? [
            ["開きます", "opens"],
            ["閉まります", "closes"],
          ]
        : [
            ["始まります", "starts"],
            ["終わります", "ends"],
          ],
    );
    return [`${doc}は${ja}に${end}。`, `${what} ${verb} at ${time}.`];
  }
  if (kind === 2)
    return [`${g.opening(subject, "")}${ja}に${g.chance(0.5) ? "起きました" : "起きた"}。`, `${subject.en} got up at ${time}.`];
  if (kind === 3)
    return [`${g.opening(subject, "")}${ja}に寝${g.chance(0.5) ? "ました" : "た"}。`, `${subject.en} went to bed at ${time}.`];
  if (kind === 4) return [`電車は${ja}に${g.chance(0.5) ? "出ます" : "出る"}。`, `the train leaves at ${time}.`];
  return [`${g.opening(subject, "")}${ja}に家に帰${g.chance(0.5) ? "りました" : "った"}。`, `${subject.en} came home at ${time}.`];
};

/** The meeting place is needed in both languages. */
const meeting: Make = (g) => {
  const hour = g.number(1, 12);
  const noun = g.pick(NOUNS.building!);
  const day = g.chance(0.5) ? g.pick(FUTURE_TIMES.slice(0, 10)) : undefined;
  return [
    `${day?.ja ?? ""}${KANJI[hour]}時に${noun.ja}の前で会いましょう。`,
    `let's meet in front of the ${noun.en} at ${NUMBERS[hour]} o'clock${day ? ` ${day.en}` : ""}.`,
  ];
};

const prices: Make = (g) => {
  const [ja, en] = g.pick([
    ["百", "one hundred"],
    ["二百", "two hundred"],
    ["五百", "five hundred"],
    ["八百", "eight hundred"],
    ["千", "one thousand"],
    ["二千", "two thousand"],
    ["三千", "three thousand"],
    ["五千", "five thousand"],
    ["一万", "ten thousand"],
    ["二万", "twenty thousand"],
  ] as const);
  const kind = g.pick(["thing", "food", "read"]);
  const noun = g.pick(NOUNS[kind]!);
  const isMany = noun.plural === undefined && /s$/.test(noun.en);
  const roll = g.number(0, 4);
  if (roll === 0) return [`この${noun.ja}はいくらですか。`, `how much ${isMany ? "are these" : "is this"} ${noun.en}?`];
  if (roll === 1)
    return [`この${noun.ja}は${ja}円です。`, `${isMany ? "these" : "this"} ${noun.en} ${isMany ? "cost" : "costs"} ${en} yen.`];
  if (roll === 2) return [`私はその${noun.ja}に${ja}円払った。`, `I paid ${en} yen for the ${noun.en}.`];
  if (roll === 3)
    return [
      `${noun.ja}を${ja}円で買った。`,
      `I bought ${noun.plural === undefined ? `some ${noun.en}` : withArticle(noun.en)} for ${en} yen.`,
    ];
  return [
    `${noun.ja}を${g.chance(0.5) ? "" : "一つ"}ください。`,
    `${noun.plural === undefined ? `some ${noun.en}` : withArticle(noun.en)}, please.`,
  ];
};

const shopping: Make = (g) => {
  const noun = g.pick(NOUNS.thing!.filter(({ plural: p }) => p !== undefined));
  const [ja, en] = g.pick([
    ["安い", "cheaper"],
    ["大きい", "bigger"],
    ["小さい", "smaller"],
    ["軽い", "lighter"],
    ["新しい", "newer"],
  ] as const);
  const roll = g.number(0, 4);
  if (roll === 0) return [`もっと${ja}${noun.ja}はありますか。`, `do you have a ${en} ${noun.en}?`];
  if (roll === 1) return [`あの${noun.ja}を見せてください。`, `please show me that ${noun.en}.`];
  if (roll === 2) return [`新しい${noun.ja}が欲しいです。`, `I want a new ${noun.en}.`];
  if (roll === 3) return [`この${noun.ja}は私には${g.pick(["高すぎます"])}。`, `this ${noun.en} is too expensive for me.`];
  return [`これは誰の${noun.ja}ですか。`, `whose ${noun.en} is this?`];
};

const possession: Make = (g) => {
  const subject = g.chance(0.4) ? g.speaker() : g.subject();
  const polite = g.polite();
  const roll = g.number(0, 5);
  const open = g.opening(subject, "");
  if (roll === 0) {
    const object = g.thing(["thing", "animal"], subject);
    return [`${open}${object.ja}を持って${polite ? "います" : "いる"}。`, `${subject.en} ${has(subject)} ${object.en}.`];
  }
  if (roll === 1) {
    const [ja, en] = g.pick([
      ["兄弟が二人", "two brothers"],
      ["姉が一人", "one older sister"],
      ["妹が二人", "two younger sisters"],
      ["弟が一人", "one younger brother"],
      ["子供が三人", "three children"],
      ["友達がたくさん", "a lot of friends"],
      ["娘が一人", "a daughter"],
      ["息子が二人", "two sons"],
    ] as const);
    return [`${open}${ja}い${polite ? "ます" : "る"}。`, `${subject.en} ${has(subject)} ${en}.`];
  }
  if (roll === 2) {
    const [ja, en] = g.pick([
      ["時間", "time"],
      ["お金", "money"],
      ["仕事", "work"],
      ["宿題", "homework"],
      ["暇", "free time"],
    ] as const);
    if (g.chance(0.5)) return [`${open}${ja}が${polite ? "ありません" : "ない"}。`, `${subject.en} ${has(subject)} no ${en}.`];
    return [`${open}${ja}がたくさんあ${polite ? "ります" : "る"}。`, `${subject.en} ${has(subject)} a lot of ${en}.`];
  }
  if (roll === 3) {
    const noun = g.pick(NOUNS.thing!);
    const isMany = noun.plural === undefined && /s$/.test(noun.en);
    return [
      `この${noun.ja}は${subject.ja || "私"}のものでは${polite ? "ありません" : "ない"}。`,
      `${isMany ? "these" : "this"} ${noun.en} ${isMany ? "are" : "is"} not ${subject.person === "i" ? "mine" : (({ he: "his", she: "hers", we: "ours", they: "theirs", you: "yours" } as Record<string, string>)[subject.en] ?? `${subject.en}'s`)}.`,
    ];
  }
  const [ja, en] = g.pick([
    ["頭が痛い", "a headache"],
    ["お腹が痛い", "a stomachache"],
    ["歯が痛い", "a toothache"],
    ["熱がある", "a fever"],
    ["風邪をひいている", "a cold"],
  ] as const);
  return [`${open}${ja}${polite && !/る$/.test(ja) ? "です" : ""}。`, `${subject.en} ${has(subject)} ${en}.`];
};

const looks: Make = (g) => {
  const who = g.other();
  const [ja, en] = g.pick([
    ["髪が長い", "long hair"],
    ["髪が短い", "short hair"],
    ["目が青い", "blue eyes"],
    ["目が大きい", "big eyes"],
    ["足が長い", "long legs"],
    ["声がきれいだ", "a beautiful voice"],
    ["手が冷たい", "cold hands"],
    ["手が大きい", "big hands"],
  ] as const);
  if (who.en === "everyone") return described(g);
  return [`${who.ja}は${ja}。`, `${who.en} ${has(who)} ${en}.`];
};

const dates: Make = (g) => {
  const month = g.number(1, 12);
  const [wj, we] = g.pick(WEEK);
  const who = g.other();
  const roll = g.number(0, 4);
  const whose = ({ he: "his", she: "her", they: "their" } as Record<string, string>)[who.en] ?? `${who.en}'s`;
  if (roll === 0) return [`${who.ja}の誕生日は${KANJI[month]}月です。`, `${whose} birthday is in ${MONTHS[month - 1]}.`];
  if (roll === 1) return [`今日は${wj}です。`, `today is ${we}.`];
  if (roll === 2) {
    const [ja, en] = g.pick([
      ["会議", "the meeting"],
      ["試験", "the exam"],
      ["パーティー", "the party"],
      ["試合", "the game"],
      ["コンサート", "the concert"],
    ] as const);
    return [`${ja}は${wj}の${KANJI[month]}時からです。`, `${en} is on ${we} from ${NUMBERS[month]} o'clock.`];
  }
  if (roll === 3) return [`学校は${KANJI[month]}月に始まります。`, `school begins in ${MONTHS[month - 1]}.`];
  const age = g.number(5, 12);
  return [`${who.ja}は${KANJI[age]}歳です。`, `${who.en} ${be(who, false)} ${NUMBERS[age]} years old.`];
};

const duration: Make = (g) => {
  const subject = g.chance(0.3) ? g.speaker() : g.subject();
  const doing = g.doing(subject);
  const count = g.number(2, 10);
  const [unit, en] = g.pick([
    ["時間", "hours"],
    ["年間", "years"],
    ["日間", "days"],
    ["週間", "weeks"],
    ["か月", "months"],
  ] as const);
  const polite = g.polite();
  const past = polite ? `${doing.ja.stem}ました` : doing.ja.ta;
  if (/^(?:be|get|go|arrive|find|break|lose|forget|open|close|turn|take|put|drop|fall|catch)\b/.test(doing.en.base)) return clock(g);
  if (g.chance(0.4))
    return [
      `${g.opening(subject, "")}${KANJI[count]}${unit}${doing.ja.te}い${polite ? "ます" : "る"}。`,
      `${subject.en} ${has(subject)} been ${doing.en.ing} for ${NUMBERS[count]} ${en}.`,
    ];
  return [
    `${g.opening(subject, "")}${KANJI[count]}${unit}${past}。`,
    `${subject.en} ${agree(doing.en.past, subject, true)} for ${NUMBERS[count]} ${en}.`,
  ];
};

const trying: Make = (g) => {
  const subject = g.chance(0.4) ? g.speaker() : g.subject();
  const doing = g.doing(subject);
  const polite = g.polite();
  const open = g.opening(subject, "");
  const s = subject.person === "he" ? "s" : "";
  const kind = g.number(0, 8);
  if (kind === 0) return [`${open}${doing.ja.volitional}とし${polite ? "ました" : "た"}。`, `${subject.en} tried to ${doing.en.base}.`];
  if (kind === 1) return [`${open}${doing.ja.stem}始め${polite ? "ました" : "た"}。`, `${subject.en} began to ${doing.en.base}.`];
  if (kind === 2) return [`${open}${doing.ja.dict}ことにし${polite ? "ました" : "た"}。`, `${subject.en} decided to ${doing.en.base}.`];
  if (kind === 3) return [`${open}${doing.ja.dict}のを忘れ${polite ? "ました" : "た"}。`, `${subject.en} forgot to ${doing.en.base}.`];
  if (kind === 4)
    return [`${open}${doing.ja.te}しま${polite ? "いました" : "った"}。`, `${subject.en} ${agree(doing.en.past, subject, true)}.`];
  if (kind === 5)
    return [`${open}${doing.ja.stem}すぎ${polite ? "ました" : "た"}。`, `${subject.en} ${agree(doing.en.past, subject, true)} too much.`];
  if (kind === 6) return [`${open}${doing.ja.dict}のをやめ${polite ? "ました" : "た"}。`, `${subject.en} stopped ${doing.en.ing}.`];
  if (kind === 7) return [`${open}${doing.ja.dict}約束をし${polite ? "ました" : "た"}。`, `${subject.en} promised to ${doing.en.base}.`];
  return [
    `${open}${doing.ja.stem}に行${polite ? "きました" : "った"}。`,
    `${subject.en} went to ${doing.en.base}.`.replace(`like${s}`, "like"),
  ];
};

const animals: Make = (g) => {
  const noun = g.pick(NOUNS.animal!);
  const [ja, en, done] = g.pick([
    ["走っている", "running", "走っていた"],
    ["寝ている", "sleeping", "寝ていた"],
    ["水を飲んでいる", "drinking water", "水を飲んでいた"],
    ["遊んでいる", "playing", "遊んでいた"],
    ["草を食べている", "eating grass", "草を食べていた"],
    ["鳴いている", "crying", "鳴いていた"],
    ["歩いている", "walking", "歩いていた"],
  ] as const);
  const place = g.pick(PLACES.filter(({ ja: where }) => /公園|庭|部屋|外|木の下|ベッド|居間|窓|山|川|屋根|橋/.test(where)));
  const spot = /部屋/.test(place.ja) ? "in the room" : place.en;
  const [which, the] = g.pick([
    ["", "a "],
    ["その", "the "],
    ["白い", "a white "],
    ["黒い", "a black "],
    ["小さな", "a little "],
    ["大きな", "a big "],
    ["私の", "my "],
    ["彼の", "his "],
    ["隣の", "the neighbor's "],
  ] as const);
  const article = the === "a " ? `${withArticle(noun.en)}` : `${the}${noun.en}`;
  const isPast = g.chance(0.4);
  if (g.chance(0.3))
    return [`${place.ja}${which}${noun.ja}が${isPast ? done : ja}。`, `${article} ${isPast ? "was" : "is"} ${en} ${spot}.`];
  const particle = which === "" || /い$|な$/.test(which) ? "が" : "は";
  return [`${which}${noun.ja}${particle}${place.ja}${isPast ? done : ja}。`, `${article} ${isPast ? "was" : "is"} ${en} ${spot}.`];
};

/** Things happen by themselves. */
const happening: Make = (g) => {
  const [ja, polite, en] = g.pick([
    ["ドアが開いた", "ドアが開きました", "the door opened"],
    ["窓が割れた", "窓が割れました", "the window broke"],
    ["電気が消えた", "電気が消えました", "the lights went out"],
    ["電話が鳴った", "電話が鳴りました", "the phone rang"],
    ["雨がやんだ", "雨がやみました", "the rain stopped"],
    ["バスが着いた", "バスが着きました", "the bus arrived"],
    ["電車が出た", "電車が出ました", "the train left"],
    ["会議が終わった", "会議が終わりました", "the meeting ended"],
    ["映画が始まった", "映画が始まりました", "the movie started"],
    ["赤ちゃんが泣いた", "赤ちゃんが泣きました", "the baby cried"],
    ["花が咲いた", "花が咲きました", "the flowers bloomed"],
    ["時計が止まった", "時計が止まりました", "the clock stopped"],
    ["火事が起きた", "火事が起きました", "a fire broke out"],
    ["地震があった", "地震がありました", "there was an earthquake"],
    ["手紙が届いた", "手紙が届きました", "a letter arrived"],
    ["荷物が届いた", "荷物が届きました", "a package arrived"],
    ["日が沈んだ", "日が沈みました", "the sun set"],
    ["月が出た", "月が出ました", "the moon came out"],
    ["木が倒れた", "木が倒れました", "a tree fell down"],
    ["車が止まった", "車が止まりました", "the car stopped"],
    ["財布が見つかった", "財布が見つかりました", "the wallet was found"],
    ["橋が壊れた", "橋が壊れました", "the bridge broke"],
    ["葉が落ちた", "葉が落ちました", "the leaves fell"],
    ["新しい店ができた", "新しい店ができました", "a new shop opened"],
  ] as const);
  const roll = g.number(0, 3);
  if (roll === 0) {
    const time = g.pick(PAST_TIMES.slice(0, 20));
    return [`${time.ja}、${g.chance(0.5) ? ja : polite}。`, `${en} ${time.en}.`];
  }
  if (roll === 1) {
    const who = g.chance(0.5) ? { ...NOBODY, ja: "私" } : g.subject();
    const doing = g.doing(who);
    return [`${ja}とき、${who.ja}は${doing.ja.te}いた。`, `when ${en}, ${who.en} ${be(who, true)} ${doing.en.ing}.`];
  }
  if (roll === 2) {
    const [adverb, how] = g.pick([
      ["突然", "suddenly"],
      ["やっと", "finally"],
      ["すぐに", "soon"],
      ["もう", "already"],
    ] as const);
    return [`${adverb}${g.chance(0.5) ? ja : polite}。`, how === "already" ? `${en} already.` : `${how} ${en}.`];
  }
  const who = g.speaker();
  const doing = g.doing(who);
  return [`${ja}ので、${doing.ja.ta}。`, `${en}, so I ${agree(doing.en.past, who, true)}.`];
};

/** What was done to things and people. */
const passive: Make = (g) => {
  const subject = g.other();
  const roll = g.number(0, 2);
  if (roll === 0) {
    const [ja, en] = g.pick([
      ["先生に褒められた", "praised by the teacher"],
      ["母に叱られた", "scolded by my mother"],
      ["犬に噛まれた", "bitten by a dog"],
      ["友達に笑われた", "laughed at by my friends"],
      ["パーティーに招待された", "invited to the party"],
      ["財布を盗まれた", "robbed of the wallet"],
      ["みんなに愛されている", "loved by everyone"],
      ["英語で話しかけられた", "spoken to in English"],
      ["医者に呼ばれた", "called by the doctor"],
    ] as const);
    const isNow = ja.endsWith("いる");
    return [`${subject.ja}は${ja}。`, `${subject.en} ${be(subject, !isNow)} ${en}.`];
  }
  const noun = g.pick([
    ["この家", "this house"],
    ["この橋", "this bridge"],
    ["その寺", "the temple"],
    ["あの学校", "that school"],
    ["その教会", "the church"],
  ] as const);
  if (roll === 1) {
    const count = g.number(2, 12);
    return [`${noun[0]}は${KANJI[count]}年前に建てられた。`, `${noun[1]} was built ${NUMBERS[count]} years ago.`];
  }
  const [ja, en] = g.pick([
    ["英語", "English"],
    ["フランス語", "French"],
    ["スペイン語", "Spanish"],
    ["ドイツ語", "German"],
  ] as const);
  const read = g.pick([
    ["この本", "this book"],
    ["その手紙", "the letter"],
    ["この歌", "this song"],
    ["その物語", "the story"],
  ] as const);
  return [`${read[0]}は${ja}で書かれている。`, `${read[1]} is written in ${en}.`];
};

const CONSTRUCTIONS: readonly (readonly [Make, number])[] = [
  [past, 18],
  [pastNegative, 4],
  [habit, 10],
  [habitNegative, 3],
  [future, 8],
  [futureNegative, 1.5],
  [progressive, 10],
  [question, 5],
  [askWord, 4],
  [whatObject, 1],
  [request, 6],
  [permission, 2],
  [wish, 5],
  [duty, 5],
  [ability, 4],
  [invitation, 3],
  [experience, 3],
  [notYet, 2],
  [liking, 4],
  [reason, 5],
  [contrast, 2],
  [condition, 3],
  [sequence, 6],
  [twoPeople, 3],
  [reported, 5],
  [giving, 5],
  [helped, 3],
  [relative, 5],
  [doer, 2],
  [existence, 5],
  [town, 3],
  [described, 7],
  [becoming, 1.5],
  [comparison, 3],
  [being, 2.5],
  [weather, 2],
  [clock, 1],
  [meeting, 0.7],
  [prices, 1.2],
  [shopping, 1],
  [possession, 3],
  [looks, 0.7],
  [dates, 1],
  [duration, 3],
  [trying, 5],
  [animals, 2.5],
  [happening, 3],
  [passive, 1],
];

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [ja, en] of everydayPairs(Number(process.argv[2] ?? 40), Number(process.argv[3] ?? 1))) console.log(`${ja}\t${en}`);
}
