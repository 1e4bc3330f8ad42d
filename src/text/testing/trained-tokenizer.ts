/** A real tokenizer for tests, trained on the spot on sentences written for the project: 600 tokens, with chat tokens. Made once. */
import { makeHfTokenizer } from "../hf-tokenizer.ts";
import type { Tokenizer } from "../tokenizer.ts";
import type { TokenizerJson } from "../tokenizer-json.ts";
import { trainBpe } from "../train-bpe.ts";

export const TEST_SENTENCES: readonly string[] = [
  "The small fish holds on to the large fish and travels with it.",
  "A teacher reads the letter, and the children listen to the teacher.",
  "It rained in the morning, so we walked to the station under one umbrella.",
  "小さな魚が大きな魚につかまって、遠くの海まで旅をします。",
  "先生が手紙を読むと、子どもたちは静かに聞いていました。",
  "朝は雨だったので、私たちは一つの傘で駅まで歩きました。",
  "次の文を英語に翻訳してください。",
];

const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

let json: Promise<TokenizerJson> | undefined;

export function trainedTokenizerJson(): Promise<TokenizerJson> {
  json ??= trainBpe(Array.from({ length: 3 }, () => TEST_SENTENCES).flat(), {
    vocabularySize: 600,
    specialTokens: ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
  });
  return json;
}

export async function trainedTokenizer(chatTemplate: string | undefined = CHATML): Promise<Tokenizer> {
  const config = { eos_token: "<|im_end|>", pad_token: "<|endoftext|>", chat_template: chatTemplate };
  return makeHfTokenizer("the test tokenizer", (await trainedTokenizerJson()) as unknown as Record<string, unknown>, { config });
}
