/**
 * How models say that they do not answer, in English and Japanese: patterns on a clause brought to one form (NFKC, lower case, plain
 * apostrophes). A user's own list replaces or extends it: one pattern a line, a plain text or `/a regular expression/`.
 */
import { readFileSync } from "node:fs";
import { DataError } from "../../errors/data-error.ts";
import { FileAccessError } from "../../errors/file-access-error.ts";

/** What a model calls the documents that it was given. */
const SOURCES = "(?:contexts?|passages?|documents?|texts?|sources?|articles?|information|materials?|excerpts?|paragraphs?|data)";
/** Words for saying, of documents. */
const SAYS =
  "(?:say|state|mention|contain|include|provide|give|specify|tell|answer|cover|address|discuss|indicate|name|describe|touch|offer|explain|identify|list|reveal|clarify|make (?:it )?clear)";
const SAID =
  "(?:mentioned|stated|specified|given|provided|found|said|answered|covered|addressed|discussed|included|contained|described|named|listed|explained|clear)";

const ENGLISH = [
  // not knowing
  String.raw`\b(?:i|we) (?:(?:really|honestly|simply|just|still) )?(?:do not|don't|did not|didn't) (?:(?:really|actually|currently|yet) )?(?:know|understand|have (?:(?:any|enough|sufficient|the|that|this|reliable|specific|more|access) )|(?:want|wish|like) to (?:guess|say|answer|comment|speculate))`,
  String.raw`\b(?:i|we)(?: am|'m| are|'re) (?:not (?:sure|certain|aware|able|familiar)|unsure|unable|uncertain)\b`,
  String.raw`\b(?:i|we) have no (?:idea|information|data|knowledge|way|answer|record|access)\b`,
  String.raw`\b(?:i|we) (?:cannot|can't|can not|could not|couldn't|am not able to|won't|will not|must decline|have to decline|am afraid i can)\b.{0,60}\b(?:answer|say|tell|determine|find|help|provide|give|respond|assist|confirm|verify|know|comment|do that|be sure|be certain|identify|name|state|guess)\b`,
  String.raw`\b(?:i|we)(?:'d| would) (?:rather|prefer) not\b|\b(?:i|we)(?:'d| would) (?:rather|prefer to) (?:not|decline|refrain)\b|\b(?:decline|refuse|hesitate) to (?:answer|say|comment|guess)\b(?<=\b(?:i|we|must|have to) .{0,20})`,
  String.raw`\bno idea\b|\bbeats me\b|\bnot sure\b(?! (?:if|whether) (?:you|we))|^(?:it is |it's )?unknown$|^n/?a$|^none$|^no answer$|^\W*idk\b|\byour guess is as good as mine\b|\bwrong of me to guess\b`,
  String.raw`\bas (?:an ai|a language model)\b.{0,40}\b(?:cannot|can't|unable|not able|don't|do not|have no)\b`,
  String.raw`\b(?:beyond|outside|past) (?:what i know|my knowledge|the scope|my (?:training|ability|abilities|scope))\b`,
  // the documents do not say
  String.raw`\b${SOURCES}\b.{0,50}\b(?:do|does|did|is|are|has|have)(?: not|n't)\b.{0,40}\b(?:${SAYS}|available|enough|sufficient|${SAID}|known|there|support)`,
  String.raw`\b${SOURCES}\b.{0,50}\b(?:(?:never|fails? to|omits?|neglects? to)\b.{0,20}\b${SAYS}|(?:is|are|remains?) silent|(?:say|state|contain|mention|give|offer|provide|has|have)s? (?:nothing|no )\b)`,
  String.raw`\b(?:none|nothing|neither|no (?:part|section)) (?:of|in) (?:the|these|this|those|my|your|any of)\b.{0,30}\b${SOURCES}\b.{0,40}\b${SAYS}`,
  String.raw`^(?:but |yet |however |although |though |and )?(?:it|they|these|this|that) (?:(?:also|still) )?(?:(?:do|does|did)(?: not|n't)|never) (?:(?:actually|explicitly|clearly|directly) )?${SAYS}\b|^(?:but |yet |and )?(?:it|they) (?:gives?|provides?|contains?|offers?|says?|mentions?|includes?) (?:no (?:information|details?|answer|figures?|names?|mention|indication|data|clues?)|nothing)\b`,
  String.raw`\b(?:(?:is|are|was|were) not|isn't|aren't|wasn't|weren't|never) (?:\w+ )?(?:available|${SAID})\b.{0,30}\b(?:in|by|from|here)\b(?: (?:the|these|this|any|my|your))?(?: \w+)? ${SOURCES}\b`,
  String.raw`\b(?:this|that|it|the answer|the question|(?:that|this|such) (?:information|detail|point|topic))(?: (?:is|was) not|'s not| isn't| wasn't| (?:is|was) never) (?:\w+ )?(?:available|${SAID})\b`,
  String.raw`\bunclear\b.{0,40}\b${SOURCES}\b|^(?:it is|it's|this is|that is) (?:\w+ )?unclear\b`,
  String.raw`\b(?:there is|there's|there are|there was) (?:no|not enough|insufficient|nothing)\b.{0,40}\b(?:information|answer|mention|data|details?|context)\b|\b(?:there is|there's|there are) (?:no|not enough|insufficient|nothing)\b.{0,40}\b(?:evidence|record|about)\b.{0,40}\b${SOURCES}\b`,
  String.raw`\bthere (?:is not|isn't|are not|aren't) (?:enough|sufficient|any)\b.{0,40}\b(?:information|answer|mention|data|details?|evidence|context)\b`,
  String.raw`\b(?:not enough|insufficient|no relevant) (?:information|context|evidence|details?|data)\b|^no (?:information|context|details?|data|answer|mention)\b(?: (?:is|was|are|were))?(?: (?:${SAID}|available|about|on|of|regarding)\b|$)`,
  String.raw`\b(?:cannot|can't|can not|could not|couldn't|impossible to) be (?:answered|determined|inferred|established|derived|concluded)\b`,
  String.raw`(?:\b(?:answer|information)\b.{0,20}|^(?:this|that|it))\b(?: |\b)(?:cannot|can't|can not|could not|couldn't) be (?:found|known|said|given)\b`,
  String.raw`\b(?:impossible|not possible) to (?:say|tell|know|answer|determine)\b(?! (?:it |this |that )?in (?:one|a) )`,
  String.raw`\b(?:i|we)(?: have|'ve)? (?:found|find|see) (?:nothing|no )`,
  String.raw`\bthe answer is (?:not|unknown|unavailable)\b|\b(?:question|this) is unanswerable\b|^unanswerable$|^not (?:stated|mentioned|given|specified|available|known|provided|found)\b`,
];

/** The same two in Japanese. */
const SOURCES_JA = "(?:文書|文脈|資料|本文|コンテキスト|文章|記事|テキスト|データ|出典|情報|記載|記述|内容|根拠|該当|材料)";
const SAID_JA =
  "(?:書かれて|書いて|記載されて|示されて|述べられて|述べて|触れられて|触れて|言及されて|言及して|明記されて|含まれて|記されて|記して|載って|扱われて|扱って|説明されて|出て)";

const JAPANESE = [
  // 知らない、わからない
  "(?:分|わ|解)かりません|(?:分|わ|解)からない(?:です)?。?$|(?:分|わ|解)かりかね|知りません|存じません|存じ上げません|知らないです|不明です|不明である|不明。?$|定かではありません|定かでは?ない",
  "(?:答え|回答|お答え|判断|特定|確認|断定|提供|返答|説明|確定|言及|断言|お伝え|対応|推測|お手伝い|コメント)(?:を|が|は|も|する|すること|できる|に)*.{0,8}(?:できません|できない(?:です)?。?$|できかね|いたしかね|しかね|出来ません|られません|たくありません)",
  "(?:答え|こたえ)られません|答えることは?できません|お答えを控え|差し控え|控えさせて|(?:推測|回答|コメント|お答え)は?(?:を)?(?:控え|遠慮)",
  "知識(?:が|は|を)?.{0,6}(?:ありません|持っていません|ない)|知識の範囲(?:を超え|外)|(?:知る|申し上げる|お伝えする|お話しする)ことが?は?でき(?:ません|ない)|持ち合わせて(?:い|おり)ません|(?:申し上げ|お話しし|お伝えし)(?:られません|かね)",
  "見当(?:が|も)つきません|(?:自信|確信)が(?:ありません|持てない|持てません)",
  // 文書に書かれていない
  `${SOURCES_JA}.{0,24}(?:ありません|ございません|見(?:つ|当た)(?:かりません|りません)|見つけられません|不足|足り(?:ません|ない)|存在しません|ない(?:ため|ので|です)?。?$|得られません|なし。?$)`,
  `${SAID_JA}(?:い|お|は|も)?.{0,3}(?:ません|ない)`,
  "言及(?:は|が)?(?:ありません|ない|なし)|読み取(?:れません|ることは?できません)|出てきません",
  "(?:明らか|はっきり|明確)(?:では|と)?(?:は)?(?:ありません|しません|しない|ない|でない)",
  "見つけ(?:られません|ることは?できません)|見つかりません",
  "^(?:わからない|分からない|知らない|回答なし|該当なし|記載なし|情報なし|不明|答えなし|無回答)[。.!]?$",
];

export const REFUSAL_PATTERNS: readonly RegExp[] = [...ENGLISH, ...JAPANESE].map((source) => new RegExp(source, "u"));

/** Patterns of a file, one a line; empty lines and lines with `#` in front are passed over. @throws DataError with the line of a bad pattern */
export function readRefusalPatterns(file: string): RegExp[] {
  let content: string;
  try {
    content = readFileSync(file, "utf8");
  } catch (cause) {
    throw new FileAccessError("Reading refusal phrases from", file, cause);
  }
  return content.split(/\r?\n/u).flatMap((line, index) => {
    const words = line.trim();
    if (words === "" || words.startsWith("#")) return [];
    const expression = /^\/(.+)\/$/u.exec(words)?.[1];
    const plain = words
      .normalize("NFKC")
      .toLowerCase()
      .replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&");
    try {
      return [new RegExp(expression ?? plain, "u")];
    } catch (cause) {
      const problem = `expected a text or /a regular expression/, found ${words}`;
      throw new DataError({ file, line: index + 1 }, problem, "Correct the expression, or write it as plain text.", cause);
    }
  });
}
