/**
 * Special tokens that end an answer, by name.
 *
 * Many checkpoints declare only one of the two they use: Gemma's files may name `<eos>` while its chat turns end in `<end_of_turn>`. A token
 * counts when it is marked special in the tokenizer and bears one of these names, as in llama.cpp's list of end-of-generation tokens.
 */
const END_TOKEN_NAMES: readonly string[] = [
  "</s>",
  "<|endoftext|>",
  "<|im_end|>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<|end_of_text|>",
  "<|end|>",
  "<end_of_turn>",
  "<turn|>",
  "<eos>",
  "<EOT>",
  "<|eot|>",
  "<|return|>",
  "<|END_OF_TURN_TOKEN|>",
  "<｜end▁of▁sentence｜>",
  "[EOS]",
];

/** Declared ends first, then the special tokens that end a turn by name. */
export function endTokens(declared: readonly (string | number)[], specialContents: Iterable<string>): (string | number)[] {
  const special = new Set(specialContents);
  return [...declared, ...END_TOKEN_NAMES.filter((name) => special.has(name))];
}
