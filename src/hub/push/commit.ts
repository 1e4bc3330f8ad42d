/** Making a repository, and putting a commit on a branch: small files inside the request, large ones by their hash. */
import { HubRefusedError } from "../../errors/hub-refused-error.ts";
import type { HubConnection } from "../client/hub-connection.ts";
import { requestJson } from "../client/hub-request.ts";
import { type RevisionInfo, readRevision } from "../client/list-tree.ts";
import { apiPath, type Repository, repositoryName, revisionPart } from "../client/repository.ts";
import type { LocalFile } from "./local-files.ts";

const JSON_HEADERS = { "Content-Type": "application/json" };

export interface OpenedRepository extends RevisionInfo {
  readonly created: boolean;
}

/**
 * The branch to write to, made when it is not there.
 * @throws HubRefusedError when a private one was asked for and it is public: nothing has been sent then
 */
export async function openRepository(
  hub: HubConnection,
  repository: Repository,
  options: { branch: string; private: boolean },
): Promise<OpenedRepository> {
  const name = repositoryName(repository);
  const missing = (error: unknown) => error instanceof HubRefusedError && error.status === 404;
  let created = false;
  let main = await readRevision(hub, repository, "main").catch((error: unknown) => {
    if (missing(error)) return undefined;
    throw error;
  });
  if (!main) {
    await createRepository(hub, repository, options.private);
    created = true;
    main = await readRevision(hub, repository, "main");
  }
  if (options.private && !main.private) {
    const next = created
      ? "Remove it on the Hub; this server does not make private repositories."
      : "Make it private on the Hub first, or leave out --private.";
    throw new HubRefusedError(`Publishing to ${name}`, 0, "expected a private repository, found a public one", next);
  }
  if (options.branch === "main") return { ...main, created };
  const head = await readRevision(hub, repository, options.branch).catch((error: unknown) => {
    if (missing(error)) return undefined;
    throw error;
  });
  if (head) return { ...head, created };
  await requestJson(hub, `${apiPath(repository)}/branch/${revisionPart(options.branch)}`, {
    doing: `Making the branch ${options.branch} of ${name}`,
    method: "POST",
    headers: JSON_HEADERS,
    body: () => JSON.stringify({ startingPoint: "main" }),
  });
  return { ...(await readRevision(hub, repository, options.branch)), created };
}

async function createRepository(hub: HubConnection, repository: Repository, isPrivate: boolean): Promise<void> {
  const { owner, name, type } = repository;
  // Older servers read `private`, newer ones `visibility`. A repository that was made in the meantime (409) is as good.
  const visibility = isPrivate ? "private" : "public";
  await requestJson(hub, "/api/repos/create", {
    doing: `Making the repository ${owner}/${name}`,
    method: "POST",
    headers: JSON_HEADERS,
    body: () => JSON.stringify({ name, organization: owner, type, private: isPrivate, visibility }),
    accept: [409],
  });
}

export type UploadMode = "regular" | "lfs" | "ignored";

const PREUPLOAD_SIZE = 256;
const SAMPLE_BYTES = 512;

/** How the Hub wants each file: inside the commit, in large-file storage, or not at all (its `.gitignore`). */
export async function askUploadModes(
  hub: HubConnection,
  repository: Repository,
  branch: string,
  files: readonly LocalFile[],
): Promise<Map<string, UploadMode>> {
  const modes = new Map<string, UploadMode>();
  for (let start = 0; start < files.length; start += PREUPLOAD_SIZE) {
    const some = files.slice(start, start + PREUPLOAD_SIZE);
    const asked = await Promise.all(
      some.map(async (file) => ({ path: file.path, size: file.size, sample: (await file.head(SAMPLE_BYTES)).toString("base64") })),
    );
    const answer = await requestJson<{ files: { path: string; uploadMode: string; shouldIgnore?: boolean }[] }>(
      hub,
      `${apiPath(repository)}/preupload/${revisionPart(branch)}`,
      {
        doing: `Announcing files to ${repositoryName(repository)}`,
        method: "POST",
        headers: JSON_HEADERS,
        body: () => JSON.stringify({ files: asked }),
      },
    );
    for (const { path, uploadMode, shouldIgnore } of answer.files) {
      modes.set(path, shouldIgnore ? "ignored" : uploadMode === "lfs" ? "lfs" : "regular");
    }
  }
  return modes;
}

export interface CommitContent {
  readonly message: string;
  /** The commit that was compared with: a later one by somebody else refuses ours (409, 412). */
  readonly parent: string;
  readonly small: readonly { path: string; content: Buffer }[];
  readonly large: readonly { path: string; oid: string; size: number }[];
  readonly deleted: readonly string[];
}

/** Tried once: after a dropped connection only the branch itself can say whether the commit arrived. @returns the commit */
export async function commit(hub: HubConnection, repository: Repository, branch: string, content: CommitContent): Promise<string> {
  const lines = [
    { key: "header", value: { summary: content.message, parentCommit: content.parent } },
    ...content.small.map(({ path, content: bytes }) => ({
      key: "file",
      value: { path, encoding: "base64", content: bytes.toString("base64") },
    })),
    ...content.large.map(({ path, oid, size }) => ({ key: "lfsFile", value: { path, algo: "sha256", oid, size } })),
    ...content.deleted.map((path) => ({ key: "deletedFile", value: { path } })),
  ];
  const body = lines.map((line) => JSON.stringify(line)).join("\n");
  const answer = await requestJson<{ commitOid?: string }>(hub, `${apiPath(repository)}/commit/${revisionPart(branch)}`, {
    doing: `Committing to ${repositoryName(repository)}`,
    method: "POST",
    headers: { "Content-Type": "application/x-ndjson" },
    body: () => body,
    attempts: 1,
  });
  return answer.commitOid ?? (await readRevision(hub, repository, branch)).commit;
}
