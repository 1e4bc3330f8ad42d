/**
 * What a model said, without what it wrote on of our own form: models that only continue text repeat the marks of sources and statements, and go on
 * with a next question of their own.
 */
const OUR_MARKS = /<\/?\s*source\b[^>\n]*>?|^-{5,}$/gimu;
const NEXT_QUESTION = /\n\s*(?:question|changed question|質問|変えた質問)\s*[:：]/iu;

export const ownWords = (said: string): string => said.trim().split(NEXT_QUESTION)[0]!.replace(OUR_MARKS, "").trim();
