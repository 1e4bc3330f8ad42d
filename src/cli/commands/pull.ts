/** `remora pull`: a repository of the Hub into the cache. stdout: the snapshot's folder. */
import { pullSchema } from "../../config/schemas/hub.ts";
import { counted } from "../../errors/counted.ts";
import { defineCommand } from "../command.ts";
import { TransferProgress } from "../render/transfer-progress.ts";
import { showBytes, showSeconds } from "../terminal/quantities.ts";

export const command = defineCommand({
  name: "pull",
  schema: pullSchema,
  description: [
    "Fetch a model from the Hugging Face Hub into the cache that other tools share (HF_HOME), several files at once, each checked by its hash.",
    "Interrupted anywhere, the same command completes it. Every command takes the name afterwards, also with --offline.",
  ].join(" "),
  examples: [
    "remora pull HuggingFaceTB/SmolLM2-135M",
    "remora pull owner/name@v1.0",
    "remora pull owner/name/model.Q4_K_M.gguf",
    "remora pull hf://datasets/owner/name",
  ],
  wordOptions: ["repository"],
  async run({ config, json, io, library, signal, say, print, proseStyle }) {
    const progress = new TransferProgress(io);
    try {
      const report = await library.pull(config, { signal, onEvent: progress.show, env: io.env });
      progress.end();
      if (config.offline) say(`${proseStyle.bold("In the cache")}  ${report.repository}@${report.commit.slice(0, 12)}`);
      else {
        const { files, bytes, receivedBytes, seconds, skipped } = report;
        const fetched = receivedBytes === 0 ? "all in the cache already" : `${showBytes(receivedBytes)} fetched in ${showSeconds(seconds)}`;
        say(
          `${proseStyle.bold("Done")}  ${report.repository}@${report.commit.slice(0, 12)}: ${counted(files, "file")}, ${showBytes(bytes)}; ${fetched}`,
        );
        if (skipped.length > 0) {
          say(
            proseStyle.dim(
              `  left out, as copies for other programs (--all takes them): ${skipped.slice(0, 6).join(", ")}${skipped.length > 6 ? " …" : ""}`,
            ),
          );
        }
      }
      print(json ? JSON.stringify(report) : report.folder);
      return 0;
    } finally {
      progress.end();
    }
  },
});
