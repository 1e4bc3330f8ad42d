/**
 * The templates that come with remora, as Jinja.
 *
 * Block tags swallow the newline after them (Jinja's `trim_blocks`, as chat templates assume), hence the empty lines. None of them writes
 * begin- or end-of-text: `encode-rendered.ts` adds those.
 */

const instruct = `### Instruction:
{{ instruction }}

{% if input %}
### Input:
{{ input }}

{% endif %}
### Response:
{{ output }}`;

const instructContext = `Answer from the context below and from nothing else. If the context does not contain the answer, say that you do not know.

### Context:
{{ context }}

${instruct}`;

/** The words of the row and nothing around them: `prompt` + `completion`, or a text to continue. */
const raw = "{{ instruction }}{{ input }}{{ output }}";

export const PRESET_SOURCES: Readonly<Record<string, string>> = { instruct, "instruct-context": instructContext, raw };

/** Names a user may choose; `chat` is the model's own. */
export const PRESET_NAMES: readonly string[] = [...Object.keys(PRESET_SOURCES), "chat"];
