/**
 * Asks the base and the adapter that train.ts made the same questions, and prints the tuned answer word by word as it comes.
 *
 *   npx tsx examples/ask.ts
 */
import { openModel } from "../src/index.ts"; // in a project of your own: from "remora"

const questions = ["今日はとても寒い。", "妹は犬と公園を歩いている。"].map((input) => ({
  row: { instruction: "次の文を英語に翻訳してください。", input },
}));
const settings = { model: "remora-tiny", greedy: true, maxTokens: 40 };

const base = await openModel({ ...settings, template: "instruct" });
for (const { text } of await base.generate(questions)) console.log("base: ", text.trim());
await base.close();

// The template is not named here: the adapter knows the one it was trained with.
const tuned = await openModel({ ...settings, adapter: "run/adapter" });
for (const question of questions) {
  process.stdout.write("tuned: ");
  await tuned.generate([question], { onText: (text) => process.stdout.write(text) });
  process.stdout.write("\n");
}
await tuned.close();
