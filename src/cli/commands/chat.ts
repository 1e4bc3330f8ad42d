/**
 * `remora chat`: turns of a conversation. `/reset` forgets, `/system text` sets the system message, `/exit` leaves. Ctrl-C while the model
 * answers cuts the answer short; at the prompt it leaves. With a pipe on stdin, every line is a turn.
 */
import { createInterface } from "node:readline";
import { chatSchema, sessionSchema } from "../../config/schemas/generate.ts";
import { defineCommand } from "../command.ts";
import { AnswerWriter } from "./answer-writer.ts";

interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

const HELP = "/exit leaves, /reset forgets the conversation, /system <text> sets the system message; a \\ at the end continues the line";

export const command = defineCommand({
  name: "chat",
  schema: chatSchema,
  description: `Talk with a model, with or without an adapter. ${HELP}.`,
  examples: ["remora chat --model ./SmolLM2-135M", 'remora chat --model ./base --adapter run/adapter --system "Answer briefly."'],
  ownInterrupt: true,
  async run({ config, json, io, library, say, print, proseStyle, resultStyle }) {
    const { system: firstSystem, ...rest } = config;
    const session = await library.openModel(sessionSchema.parse(rest));
    const interactive = io.stdin.isTTY === true;
    let system = firstSystem;
    let messages: Message[] = [];
    let answering: AbortController | undefined;
    let interrupted = false;
    const lines = createInterface({ input: io.stdin, output: interactive ? process.stderr : undefined, terminal: interactive });
    const interrupt = () => {
      if (answering && !answering.signal.aborted) answering.abort();
      else {
        interrupted = true;
        lines.close();
        if (answering) io.exitNow(130);
      }
    };
    lines.on("SIGINT", interrupt);
    const stopListening = io.onInterrupt(interrupt);
    const prompt = () => {
      if (!interactive) return;
      lines.setPrompt(proseStyle.bold("› "));
      lines.prompt();
    };
    if (interactive) say(proseStyle.dim(`${session.model} on ${session.device}. ${HELP}.`));
    try {
      let turn = "";
      prompt();
      for await (const line of lines) {
        if (line.endsWith("\\")) {
          turn += `${line.slice(0, -1)}\n`;
          continue;
        }
        turn += line;
        const said = turn.trim();
        turn = "";
        if (said === "/exit" || said === "/quit") break;
        if (said === "/reset") {
          messages = [];
          say(proseStyle.dim("The conversation is forgotten."));
        } else if (said === "/system" || said.startsWith("/system ")) {
          system = said.slice("/system".length).trim() || undefined;
          say(proseStyle.dim(system === undefined ? "No system message." : `System message: ${system}`));
        } else if (/^\/\w+$/.test(said)) {
          say(proseStyle.dim(HELP));
        } else if (said !== "") {
          const asked: Message[] = [...messages, { role: "user", content: said }];
          answering = new AbortController();
          const writer = new AnswerWriter(io.stdout, resultStyle);
          const onText = json ? undefined : (text: string) => writer.push(text);
          const request = { messages: system === undefined ? asked : [{ role: "system" as const, content: system }, ...asked] };
          const [answer] = await session.generate([request], { onText, signal: answering.signal });
          writer.end();
          answering = undefined;
          messages = [...asked, { role: "assistant", content: answer?.text ?? "" }];
        }
        prompt();
      }
      if (json) print(JSON.stringify({ model: session.model, device: session.device, system, messages }));
      return interrupted ? 130 : 0;
    } finally {
      stopListening();
      lines.close();
      await session.close();
    }
  },
});
