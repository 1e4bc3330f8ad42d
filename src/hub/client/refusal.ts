/**
 * What a refusal of the Hub means, in our three parts. The Hub answers 401 for a repository that does not exist as well as for one that is
 * private, so that nobody can guess names: without a token both are possible, and the text says so.
 */
import { HubRefusedError } from "../../errors/hub-refused-error.ts";
import type { HubConnection } from "./hub-connection.ts";
import { redactTokens } from "./secret.ts";

export function refusal(hub: HubConnection, doing: string, response: Response, body: string): HubRefusedError {
  const { status } = response;
  const redact = (text: string): string => (hub.token ? hub.token.redact(text) : redactTokens(text));
  const said = redact(response.headers.get("X-Error-Message") ?? messageOf(body));
  const code = response.headers.get("X-Error-Code");
  const [problem, next] = explain(status, code, new URL(response.url).host, hub.token !== undefined);
  return new HubRefusedError(doing, status, said === "" ? problem : `${problem}: ${said}`, next);
}

function explain(status: number, code: string | null, host: string, signedIn: boolean): [problem: string, next: string] {
  if (code === "GatedRepo") {
    const next = signedIn
      ? "Open its page on the Hub, accept its terms with the account of this token, and run the command again."
      : "Open its page on the Hub, accept its terms, and set HF_TOKEN (or run `hf auth login`).";
    return [`${host} answered ${status}: the repository is gated`, next];
  }
  switch (status) {
    case 401:
      return signedIn
        ? [
            `${host} answered 401: the token is not accepted (expired, revoked, or of another Hub)`,
            "Make a new token in the Hub's settings and set HF_TOKEN.",
          ]
        : [
            `${host} answered 401: there is no such repository, or it is private and no token was sent`,
            "Check the name. For a private repository set HF_TOKEN, or run `hf auth login`.",
          ];
    case 403:
      return [`${host} answered 403: the token may not do this`, "Use a token that may write to this repository, or ask its owner."];
    case 404:
      return code === "RevisionNotFound"
        ? [`${host} answered 404: there is no such revision`, "Check what stands behind the @: a branch, a tag or a commit."]
        : code === "EntryNotFound"
          ? [`${host} answered 404: there is no such file in the repository`, "Check the file's name on the repository's page."]
          : [
              `${host} answered 404: there is no such repository`,
              signedIn ? "Check the name, and that the token's account may see it." : "Check the name.",
            ];
    case 409:
      return [`${host} answered 409: this contradicts what is there`, "Look at the repository's page, then run the command again."];
    default:
      return [`${host} answered ${status}`, "Check the name and the options of the command."];
  }
}

/** The Hub's own words, from JSON or short plain text. */
function messageOf(body: string): string {
  try {
    const { error, message } = JSON.parse(body) as { error?: unknown; message?: unknown };
    const text = typeof error === "string" ? error : typeof message === "string" ? message : "";
    return text.slice(0, 300);
  } catch {
    return /^[^<]{1,200}$/s.test(body) ? body.trim() : "";
  }
}
