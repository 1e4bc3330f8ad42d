/** `remora push`: a folder to the Hub. stdout: the repository's page. */
import { pushSchema } from "../../config/schemas/hub.ts";
import { counted } from "../../errors/counted.ts";
import { defineCommand } from "../command.ts";
import { TransferProgress } from "../render/transfer-progress.ts";
import { showBytes, showCount, showSeconds } from "../terminal/quantities.ts";

export const command = defineCommand({
  name: "push",
  schema: pushSchema,
  description: [
    "Publish a merged model, an adapter or a run on the Hugging Face Hub. The repository is made when it is not there, a model card is written",
    "where there is none, and only what changed is sent. Interrupted anywhere, the same command completes it. The token comes from HF_TOKEN or",
    "from the file that `hf auth login` writes; HF_ENDPOINT names another Hub.",
  ].join(" "),
  examples: [
    "remora push run you/my-adapter --private",
    'remora push merged you/my-model --run run --message "Nemo 12B, tuned on support questions"',
  ],
  wordOptions: ["folder", "repository"],
  async run({ config, json, io, library, signal, say, print, proseStyle }) {
    const progress = new TransferProgress(io);
    try {
      const report = await library.push(config, { signal, onEvent: progress.show, env: io.env });
      progress.end();
      const { uploaded, deleted, unchanged, seconds, sentBytes } = report;
      const done = [
        `${counted(uploaded.length, "file")} published`,
        deleted.length > 0 ? `${showCount(deleted.length)} removed` : "",
        unchanged > 0 ? `${showCount(unchanged)} unchanged` : "",
        `${showBytes(sentBytes)} sent in ${showSeconds(seconds)}`,
      ].filter((part) => part !== "");
      const what =
        uploaded.length + deleted.length === 0 ? "Nothing changed: the repository is as the folder is" : `Done  ${done.join(", ")}`;
      say(`${proseStyle.bold(what)}  (${report.private ? "private" : "public"}${report.created ? ", new" : ""})`);
      for (const warning of report.warnings) say(`${proseStyle.yellow("warning:")} ${warning}`);
      print(json ? JSON.stringify(report) : report.url);
      return 0;
    } finally {
      progress.end();
    }
  },
});
