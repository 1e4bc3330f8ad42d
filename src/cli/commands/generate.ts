/** `remora generate`: one question, or a file of rows. stdout: the answer, streamed; or JSONL of rows with their answers. */
import type { AskRequest } from "../../config/reports.ts";
import { generateSchema, sessionSchema } from "../../config/schemas/generate.ts";
import { ConfigError } from "../../errors/config-error.ts";
import { counted } from "../../errors/counted.ts";
import { defineCommand } from "../command.ts";
import { showRate, showSeconds } from "../terminal/quantities.ts";
import { answerRows } from "./answer-rows.ts";
import { AnswerWriter } from "./answer-writer.ts";
import { readAll } from "./read-all.ts";

type Config = ReturnType<typeof generateSchema.parse>;

export const command = defineCommand({
  name: "generate",
  schema: generateSchema,
  description: "Answer one question, or every row of a file. Markdown is drawn on a terminal and plain in a pipe.",
  examples: [
    'remora generate --model ./SmolLM2-135M "What is a remora?"',
    'remora generate --model ./base --adapter run/adapter --instruction "Translate into English." --input "雨が降っています。"',
    "remora generate --model ./base --adapter run/adapter --rows questions.jsonl --out answers.jsonl",
  ],
  wordsAs: { option: "prompt", placeholder: "What to ask" },
  async run(context) {
    const { config, json, io, library, signal, say, print, resultStyle } = context;
    const question = config.rows === undefined ? ((await requestOf(config, io.stdin)) as AskRequest) : undefined;
    const sessionConfig = sessionSchema.parse(pick(config, Object.keys(sessionSchema.shape)));
    if (question === undefined) return answerRows({ ...context, config }, sessionConfig);
    const session = await library.openModel(sessionConfig);
    try {
      const writer = new AnswerWriter(io.stdout, resultStyle);
      const onText = json ? undefined : (text: string) => writer.push(text);
      const [answer] = await session.generate([question], { onText, signal });
      writer.end();
      if (!answer) return 1;
      if (json) print(JSON.stringify({ model: session.model, device: session.device, ...answer }));
      if (io.stderr.isTerminal) {
        const rate = answer.seconds > 0 ? `, ${showRate(answer.tokens / answer.seconds)}` : "";
        say(
          context.proseStyle.dim(
            `${counted(answer.tokens, "token")} in ${showSeconds(answer.seconds)}${rate}; ended by ${answer.finishReason}`,
          ),
        );
      }
      return answer.finishReason === "cancelled" ? 130 : 0;
    } finally {
      await session.close();
    }
  },
});

/** What the options ask. A pipe on stdin is the prompt when no option says one. */
async function requestOf(config: Config, stdin: Parameters<typeof readAll>[0]): Promise<AskRequest> {
  const { instruction, input, context, system } = config;
  const asRow = instruction !== undefined || input !== undefined || context !== undefined;
  if (asRow && config.prompt !== undefined) {
    throw new ConfigError("Configuring remora generate", [
      { path: "prompt", problem: "expected either a prompt or instruction, input and context, found both" },
    ]);
  }
  if (asRow) {
    const fields = { instruction, input, context, system };
    return { row: Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) };
  }
  const prompt = config.prompt ?? (await readAll(stdin));
  if (prompt.trim() === "") {
    throw new ConfigError(
      "Configuring remora generate",
      [{ path: "prompt", problem: "expected something to ask, found nothing" }],
      "Give words behind the flags, --instruction and --input, --rows, or a prompt on standard input.",
    );
  }
  if (config.template === "raw") return { prompt };
  const messages: { role: "system" | "user"; content: string }[] = [{ role: "user", content: prompt }];
  if (system !== undefined) messages.unshift({ role: "system", content: system });
  return { messages };
}

function pick(config: Config, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).filter(([name]) => names.includes(name)));
}
