/** Git LFS's batch request: which large objects the Hub has already, and where the others go. Parts are Hugging Face's extension of it. */
import { HubIntegrityError } from "../../errors/hub-integrity-error.ts";
import { HubRefusedError } from "../../errors/hub-refused-error.ts";
import { DEFAULT_ENDPOINT, type HubConnection } from "../client/hub-connection.ts";
import { requestJson } from "../client/hub-request.ts";
import { pagePath, type Repository, repositoryName } from "../client/repository.ts";

export interface LargeAction {
  readonly href: string;
  readonly header?: Readonly<Record<string, string>>;
  /** Seconds. */
  readonly expires_in?: number;
  /** RFC 3339. */
  readonly expires_at?: string;
}

export interface LargeObject {
  readonly oid: string;
  readonly size: number;
}

export interface LargeActions {
  readonly upload: LargeAction;
  readonly verify: LargeAction | undefined;
}

interface BatchAnswer {
  objects?: (LargeObject & { actions?: { upload?: LargeAction; verify?: LargeAction }; error?: { code: number; message: string } })[];
}

export const LFS_HEADERS = { Accept: "application/vnd.git-lfs+json", "Content-Type": "application/vnd.git-lfs+json" };
/** More in one request are refused. */
const BATCH_SIZE = 100;

/** @returns what has to be uploaded, by oid; objects that the Hub has are not in it */
export async function askLargeBatch(
  hub: HubConnection,
  repository: Repository,
  branch: string,
  objects: readonly LargeObject[],
): Promise<Map<string, LargeActions>> {
  const doing = `Asking ${repositoryName(repository)} where large files go`;
  const needed = new Map<string, LargeActions>();
  for (let start = 0; start < objects.length; start += BATCH_SIZE) {
    const some = objects.slice(start, start + BATCH_SIZE);
    const body = JSON.stringify({
      operation: "upload",
      transfers: ["basic", "multipart"],
      hash_algo: "sha256",
      ref: { name: branch },
      objects: some,
    });
    const url = `${pagePath(repository)}.git/info/lfs/objects/batch`;
    const answer = await requestJson<BatchAnswer>(hub, url, { doing, method: "POST", headers: LFS_HEADERS, body: () => body });
    for (const { oid } of some) {
      const object = answer.objects?.find((each) => each.oid === oid);
      if (!object) throw new HubIntegrityError(doing, oid, "expected an answer about this object, found none");
      if (object.error)
        throw new HubRefusedError(doing, object.error.code, object.error.message, "Ask the Hub's support, or try another repository.");
      const { upload, verify } = object.actions ?? {};
      if (upload) needed.set(oid, { upload: onEndpoint(hub, upload), verify: verify && onEndpoint(hub, verify) });
    }
  }
  return needed;
}

/** A mirror passes the Hub's own addresses on; what belongs to the Hub goes through the mirror. */
function onEndpoint(hub: HubConnection, action: LargeAction): LargeAction {
  if (!action.href.startsWith(`${DEFAULT_ENDPOINT}/`)) return action;
  return { ...action, href: hub.endpoint + action.href.slice(DEFAULT_ENDPOINT.length) };
}
