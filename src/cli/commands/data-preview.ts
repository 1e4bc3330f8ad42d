/** `remora data preview`: rows as the model will see them. */
import { type DataPreviewConfig, dataPreviewSchema } from "../../config/schemas/data.ts";
import type { PreviewRow } from "../../data/preview.ts";
import { defineCommand } from "../command.ts";
import type { OpenData } from "./open-data.ts";

export const command = defineCommand({
  name: "data preview",
  schema: dataPreviewSchema,
  description: "Print rows after template and tokenizer, with the tokens that carry loss in colour.",
  examples: ["remora data preview --model ./SmolLM2-135M --data rows.jsonl --rows 2"],
  async run({ config, json, say, print, resultStyle }) {
    const { openData } = await import("./open-data.ts");
    const { renderPreview } = await import("../../data/preview.ts");
    const data = await openData(config);
    const rows: PreviewRow[] = [];
    for await (const row of previewRows(config, data)) rows.push(row);
    const template = data.template?.name ?? "plain text";
    if (json) {
      print(
        JSON.stringify({
          template,
          rows: rows.map((row) => ({ ...row, ids: [...Array.from(row.ids)], trained: Array.from(row.trained) })),
        }),
      );
    } else {
      say(`template ${template} (${data.templateReason})`);
      print(renderPreview(rows, data.tokenizer, { colour: resultStyle.enabled }));
    }
    return 0;
  },
});

async function* previewRows(config: DataPreviewConfig, { files, tokenizer, template, blockLimit }: OpenData): AsyncGenerator<PreviewRow> {
  const { readTemplateRows } = await import("../../data/load-data.ts");
  const { makeExample } = await import("../../data/example.ts");
  const { encodeDocument } = await import("../../data/text-blocks.ts");
  let passed = 0;
  let shown = 0;
  for await (const { row, file, values } of readTemplateRows(files, config)) {
    if (passed++ < config.skip) continue;
    if (shown++ >= config.rows) return;
    if (template === undefined) {
      const ids = encodeDocument(tokenizer, values.text ?? "") ?? [];
      yield { row, ids, trained: new Uint8Array(ids.length).fill(1) };
      continue;
    }
    const options = { tokenizer, template, trainOn: config.trainOn };
    const example = makeExample(values, row, { ...options, blockLength: blockLimit, longRows: config.longRows }, file);
    // A row that a run would leave out is still shown whole: that is what the user wants to see.
    const visible = typeof example === "string" ? makeExample(values, row, options, file) : example;
    if (typeof visible !== "string") yield visible;
  }
}
