/**
 * How models say that they do not answer, in English and Japanese: patterns on a sentence brought to one form (NFKC, lower case, plain
 * apostrophes). A user's own list replaces or extends it: one pattern a line, a plain text or `/a regular expression/`.
 */
import { readFileSync } from "node:fs";
import { DataError } from "../../errors/data-error.ts";
import { FileAccessError } from "../../errors/file-access-error.ts";

const ENGLISH = [
  // not knowing
  String.raw`\b(?:i|we) (?:(?:really|honestly|simply|just|still) )?(?:do not|don't|did not|didn't) (?:(?:really|actually|currently|yet) )?(?:know|have (?:(?:any|enough|sufficient|the|that|this|reliable|specific|more|access) )|understand)`,
  String.raw`\b(?:i|we)(?: am|'m| are|'re) (?:not (?:sure|certain|aware|able|familiar)|unsure|unable|uncertain)\b`,
  String.raw`\b(?:i|we) have no (?:idea|information|data|knowledge|way|answer|record)\b`,
  String.raw`\b(?:i|we) (?:cannot|can't|can not|could not|couldn't|am not able to|won't|will not|must decline|have to decline|am afraid i can)\b.{0,60}\b(?:answer|say|tell|determine|find|help|provide|give|respond|assist|confirm|verify|know|comment|do that|be sure|be certain|identify|name|state)\b`,
  String.raw`\bno idea\b|\bbeats me\b|\bnot sure\b(?! (?:if|whether) (?:you|we))|^unknown$|^n/?a$|^none$|^no answer$|^\W*idk\b`,
  String.raw`\b(?:as an ai|as a language model)\b`,
  String.raw`\b(?:i'm |i am )?sorry\b.{0,40}\b(?:but|,|i)\b.{0,60}\b(?:cannot|can't|unable|not able|don't|do not|no information|couldn't)\b`,
  // the documents do not say
  String.raw`\b(?:context|passages?|documents?|texts?|sources?|articles?|information|materials?|excerpts?|paragraphs?|data)\b.{0,50}\b(?:do|does|did|is|are|has|have)(?: not|n't)\b.{0,40}\b(?:say|state|mention|contain|include|provide|give|specify|tell|answer|cover|address|discuss|indicate|available|enough|sufficient|given|stated|mentioned|provided|specified|found|known|there|support)`,
  String.raw`\b(?:(?:is|are|was|were) not|isn't|aren't|wasn't|weren't|never) (?:\w+ )?(?:mentioned|stated|specified|given|provided|found|said|available|answered|covered|addressed|discussed|included|contained)\b.{0,30}\b(?:in|by|from|here)\b`,
  String.raw`\b(?:there is|there's|there are|there was) (?:no|not enough|insufficient|nothing)\b.{0,40}\b(?:information|answer|mention|data|details?|evidence|record|about|context)\b`,
  String.raw`\b(?:not enough|insufficient|no relevant|no) (?:information|context|evidence|details?|data)\b`,
  String.raw`\b(?:cannot|can't|can not|could not|couldn't|impossible to) be (?:answered|determined|found|known|said|inferred|established|derived|concluded)\b`,
  String.raw`\b(?:impossible|not possible) to (?:say|tell|know|answer|determine|answer)\b`,
  String.raw`\bthe answer is (?:not|unknown|unavailable)\b|\b(?:question|this) is unanswerable\b|^unanswerable$|^not (?:stated|mentioned|given|specified|available|known)$`,
];

const JAPANESE = [
  // 知らない、わからない
  "(?:分|わ|解)かりません|(?:分|わ|解)からない(?:です|。|$)|(?:分|わ|解)かりかね|知りません|存じません|存じ上げません|知らないです|不明です|不明である|不明。?$|定かではありません|定かでは?ない",
  "(?:答え|回答|お答え|判断|特定|確認|断定|提供|返答|説明|確定|言及|断言|お伝え|対応|推測|お手伝い)(?:を|が|は|する|すること|できる|に)*.{0,8}(?:できません|できない(?:です|。|$)|できかね|いたしかね|しかね|出来ません|られません|ません。?$)",
  "(?:答え|こたえ)られません|答えることは?できません|お答えを控え|差し控え|控えさせて",
  "知識(?:が|は|を)?.{0,6}(?:ありません|持っていません|ない)",
  "見当(?:が|も)つきません|自信がありません",
  // 文書に書かれていない
  "(?:文書|文脈|資料|本文|コンテキスト|文章|情報|記事|テキスト|データ|出典|記載|記述|内容|根拠|該当).{0,24}(?:ありません|ございません|見(?:つ|当た)(?:かりません|りません)|含まれていません|書かれていません|記載されていません|示されていません|述べられていません|不足|足りません|存在しません|ない(?:ため|ので|です|。|$)|得られません|なし。?$)",
  "(?:書かれて|記載されて|示されて|述べられて|触れられて|言及されて|明記されて|含まれて|記されて|載って)(?:い|お|は)?.{0,3}(?:ません|ない)",
  "言及(?:は|が)?(?:ありません|ない|なし)|読み取(?:れません|ることは?できません)",
  "^(?:わからない|分からない|知らない|回答なし|該当なし|記載なし|情報なし|不明|答えなし|無回答)[。.!]?$",
  "(?:申し訳|すみません|恐れ入り|あいにく|残念ながら).{0,40}(?:ません|かねます|ない)",
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
