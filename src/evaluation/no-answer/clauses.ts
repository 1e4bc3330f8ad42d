/**
 * An answer cut into clauses, each with its role: a refusal, an aside (about the sources, the search, the model itself, or plain courtesy) or a
 * claim. Roles are told by words alone, in English and Japanese; what stands in quotation marks inside a sentence is somebody else's.
 */

export type ClauseRole = "refusal" | "aside" | "claim";

export interface Clause {
  readonly text: string;
  readonly role: ClauseRole;
  /** It turns against what stands before it: "but", 「しかし」. */
  readonly turns: boolean;
}

const SENTENCE = /[^.!?。!?\n]+(?:[.!?](?=\S)[^.!?。!?\n]+)*[.!?。!?\n]*/gu;
/** Where a sentence turns or gives a reason: behind "; ", before ", but", behind 「が、」 and 「ため、」. */
const JOINTS = new RegExp(
  [
    String.raw`[;:]\s+|\s+[–—]\s+`,
    String.raw`,?\s+(?=(?:but|yet|although|though|however|because)\b)`,
    String.raw`,\s+(?=(?:so|since|and|as|while|my)\b)`,
    String.raw`(?<=^(?:while|although|though|since|because|as)\b[^,]{0,200}),\s+`,
    "(?<=(?:が|けれど|けれども|ものの|ので|ため|から|し))[、,]",
  ].join("|"),
  "u",
);
const TURN =
  /^(?:but|yet|although|though|however|still|nevertheless|that said|my (?:best )?guess|if i (?:had|have) to guess|probably|perhaps|i (?:think|believe|guess|would say|suspect))\b|^(?:しかし|ただし|ただ、|とはいえ|でも、|おそらく|たぶん|恐らく|多分)|(?:と思います|と思われます|でしょう|と考えられます)[。.]?$/u;
/** Behind these a Japanese clause turns. */
const TURNING_END = /(?:が|けれど|けれども|ものの)$/u;

const SOURCES = "(?:contexts?|passages?|documents?|texts?|sources?|articles?|materials?|excerpts?|paragraphs?)";
const COURTESY_WORDS =
  /\b(?:(?:i'm|i am|we're|we are) (?:very |so |really )?(?:sorry|afraid)|sorry|unfortunately|regrettably|sadly|apologies|my apologies|i apologi[sz]e)\b|申し訳(?:あり|ござい)ません(?:が|でした)?|すみません(?:が)?|恐縮ですが|恐れ入りますが|残念ながら|あいにく/gu;
const ASIDES = [
  // what the sources are about, which answers nothing
  new RegExp(
    String.raw`\b${SOURCES}\b(?: \w+){0,2} (?:talks?|discuss(?:es)?|describes?|lists?|mentions?|covers?|deals?|focus(?:es)?|is|are|contains?|provides?|gives?)\b(?! that\b)`,
    "u",
  ),
  /^(?:(?:but|because|since|as|while) )?(?:it|they|these|this) (?:only |mainly |mostly )?(?:talks?|discuss(?:es)?|describes?|covers?|deals?|focus(?:es)?)\b/u,
  /^(?:文書|資料|本文|記事|文章|文脈|出典|テキスト|本資料)(?:[にで]?は|には|では|が)[^、]*(?:説明して|述べて|触れて|扱って|記して|書いて|書かれて|載って|一覧)/u,
  /(?:について|こと)(?:は|が|も)[^、]{0,8}(?:書いて|書かれて|述べられて|触れられて|説明されて|記されて|記載されて)(?:いる|い|あ)(?!ません)/u,
  // looking for it
  /^(?:i|we)(?: have|'ve)? (?:looked|searched|checked|read|reviewed|examined|went)\b/u,
  /(?:確認|調べ|探し|検索|拝見)(?:しま|いたしま)?した/u,
  // the model itself
  /^(?:as|i am|i'm) an? (?:ai|artificial|language|large language|assistant)\b|\bmy (?:training|knowledge)\b|^ai(?:である|として|なので|ですので)|私の知識は/u,
  // offers and thanks
  /\b(?:please|let me know|feel free|could you|can you|would you|you (?:can|could|may|might|should)|try|check|consult|ask|help you|provide more|more (?:context|information|details)|refer to|contact|look (?:it )?up|happy to|glad to|recommend|suggest|thank you|thanks|(?:good|great|interesting) question)\b/u,
  /ください|下さい|お知らせ|お問い合わせ|ご確認|ご質問|お手伝い|ご参照|お願い|確認する(?:必要|こと)|おすすめ|お勧め|いただけ|幸いです|別の資料|追加の情報|教えて/u,
  // a question, the user's own said back or one more
  /[?？]$|(?:です|ます|でしょう|でした|ました)か[。]?$/u,
];

/** @param patterns of refusals; a pattern that holds only on a whole sentence makes the sentence one refusal */
export function clausesOf(text: string, patterns: readonly RegExp[]): Clause[] {
  return sentencesOf(text).flatMap((sentence) => {
    const parts = sentence
      .split(JOINTS)
      .map((part) => part.trim())
      .filter((part) => /[\p{L}\p{N}]/u.test(part));
    const isWhole = refuses(sentence, patterns) && !parts.some((part) => refuses(part, patterns));
    const clauses = isWhole ? [sentence] : parts;
    return clauses.map((clause, index): Clause => {
      const turns = TURN.test(clause) || (index > 0 && TURNING_END.test(clauses[index - 1]!));
      return { text: clause, role: roleOf(clause, patterns), turns };
    });
  });
}

function sentencesOf(text: string): string[] {
  return (text.match(SENTENCE) ?? [text]).map((sentence) => sentence.trim()).filter((sentence) => /[\p{L}\p{N}]/u.test(sentence));
}

function roleOf(clause: string, patterns: readonly RegExp[]): ClauseRole {
  if (refuses(clause, patterns)) return "refusal";
  const rest = clause.replace(COURTESY_WORDS, "").trim();
  return ASIDES.some((aside) => aside.test(rest)) || !/[\p{L}\p{N}]/u.test(rest.replace(/^(?:but|so|and|however)\b/u, ""))
    ? "aside"
    : "claim";
}

/** Patterns may ask for a clause's end with or without its full stop, and apologies are not their matter. */
function refuses(clause: string, patterns: readonly RegExp[]): boolean {
  const bare = clause.replace(COURTESY_WORDS, "").replace(/^[\s,、]+/u, "");
  return [clause, bare, bare.replace(/[.!?。\s]+$/u, "")].some((form) => form !== "" && patterns.some((pattern) => pattern.test(form)));
}
