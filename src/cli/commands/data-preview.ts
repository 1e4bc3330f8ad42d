/** `remora data preview`: rows as the model will see them. */
import { dataPreviewSchema } from "../../config/schemas/data.ts";
import { defineCommand } from "../command.ts";
import { renderPreview } from "../render/render-data.ts";

export const command = defineCommand({
  name: "data preview",
  schema: dataPreviewSchema,
  description: "Print rows after template and tokenizer, with the tokens that carry loss in colour.",
  examples: ["remora data preview --model ./SmolLM2-135M --data rows.jsonl --rows 2"],
  async run({ config, json, library, print, resultStyle }) {
    const preview = await library.previewData(config);
    print(json ? JSON.stringify(preview) : renderPreview(preview, resultStyle));
    return 0;
  },
});
