/**
 * One large file to the Hub's storage: whole, or in parts of the size that the Hub chose. A part that arrived is not sent again, not after a
 * dropped connection and not in another process while the signed addresses live.
 */
import { createReadStream } from "node:fs";
import { HubIntegrityError } from "../../errors/hub-integrity-error.ts";
import { HubRefusedError } from "../../errors/hub-refused-error.ts";
import type { HubConnection } from "../client/hub-connection.ts";
import { request } from "../client/hub-request.ts";
import { type Repository, repositoryName } from "../client/repository.ts";
import { inParallel } from "../in-parallel.ts";
import { askLargeBatch, type LargeActions, LFS_HEADERS } from "./large-batch.ts";
import type { LocalFile } from "./local-files.ts";
import { UploadNotes } from "./upload-notes.ts";

export interface LargeUpload {
  readonly repository: Repository;
  readonly branch: string;
  readonly file: LocalFile;
  readonly oid: string;
  readonly actions: LargeActions;
  /** Where notes of unfinished uploads are kept. */
  readonly notesFolder: string;
  /** Bytes of this file that arrived; may fall when a part has to be sent again. */
  onBytes(bytes: number): void;
  /** Bytes that went over the network. */
  onSent(bytes: number): void;
}

const PARTS_AT_ONCE = 4;
/** How often new addresses are asked for when the storage refuses the ones at hand (they expire). */
const MOST_RENEWALS = 3;

/** @throws HubRefusedError · HubUnavailableError · HubIntegrityError */
export async function uploadLarge(hub: HubConnection, upload: LargeUpload): Promise<void> {
  const { repository, branch, file, oid, notesFolder } = upload;
  const doing = `Uploading ${file.path} to ${repositoryName(repository)}`;
  let actions: LargeActions | undefined = upload.actions;
  for (let renewal = 0; actions; renewal++) {
    const notes = await UploadNotes.open(notesFolder, `${hub.endpoint} ${repositoryName(repository)}`, oid, actions.upload);
    try {
      if (notes.action.header?.chunk_size === undefined) await sendWhole(hub, upload, notes.action.href, doing);
      else await sendParts(hub, upload, notes, doing);
      if (actions.verify) await verify(hub, actions.verify.href, upload, doing);
      await notes.forget();
      break;
    } catch (error) {
      if (!(error instanceof HubRefusedError) || renewal === MOST_RENEWALS) throw error;
      // The signature expired, or the storage forgot the upload: new addresses, and all parts again.
      await notes.forget();
      actions = (await askLargeBatch(hub, repository, branch, [{ oid, size: file.size }])).get(oid);
    }
  }
  upload.onBytes(file.size);
}

async function sendWhole(hub: HubConnection, upload: LargeUpload, href: string, doing: string): Promise<void> {
  await sendPart(hub, upload, { href, start: 0, end: upload.file.size }, doing, upload.onBytes);
}

async function sendParts(hub: HubConnection, upload: LargeUpload, notes: UploadNotes, doing: string): Promise<void> {
  const { file, oid } = upload;
  const header = notes.action.header!;
  const partBytes = Number(header.chunk_size);
  const addresses = Object.entries(header)
    .filter(([name]) => /^\d+$/.test(name))
    .map(([name, href]) => ({ part: Number(name), href }))
    .sort((a, b) => a.part - b.part);
  if (!(partBytes > 0) || addresses.length !== Math.ceil(file.size / partBytes)) {
    throw new HubIntegrityError(doing, file.path, `expected addresses for parts of ${header.chunk_size} bytes, found ${addresses.length}`);
  }
  const arrived = new Map<number, number>();
  const note = (part: number, bytes: number) => {
    arrived.set(part, bytes);
    upload.onBytes([...arrived.values()].reduce((a, b) => a + b, 0));
  };
  await inParallel(addresses, PARTS_AT_ONCE, async ({ part, href }) => {
    const start = (part - 1) * partBytes;
    const end = Math.min(start + partBytes, file.size);
    if (notes.etag(part) === undefined) {
      const etag = await sendPart(hub, upload, { href, start, end }, doing, (bytes) => note(part, bytes));
      if (!etag) throw new HubIntegrityError(doing, file.path, `part ${part} was taken without an ETag`);
      await notes.notePart(part, etag);
    }
    note(part, end - start);
  });
  const body = JSON.stringify({ oid, parts: addresses.map(({ part }) => ({ partNumber: part, etag: notes.etag(part) })) });
  await request(
    hub,
    notes.action.href,
    { doing, method: "POST", headers: LFS_HEADERS, body: () => body },
    async (response) => void (await response.text()),
  );
}

interface Part {
  readonly href: string;
  /** Bytes of the file, `end` excluded. */
  readonly start: number;
  readonly end: number;
}

/** @returns the ETag that the storage gave */
async function sendPart(
  hub: HubConnection,
  { file, onSent }: LargeUpload,
  { href, start, end }: Part,
  doing: string,
  onBytes: (bytes: number) => void,
): Promise<string | null> {
  async function* read(): AsyncGenerator<Uint8Array> {
    let sent = 0;
    onBytes(0);
    if (end === start) return;
    for await (const chunk of createReadStream(file.absolutePath, { start, end: end - 1, highWaterMark: 1 << 18 })) {
      yield chunk as Buffer;
      sent += (chunk as Buffer).length;
      onSent((chunk as Buffer).length);
      onBytes(sent);
    }
  }
  // Signed addresses take no body of unknown length.
  const headers = { "Content-Length": String(end - start) };
  return request(
    hub,
    href,
    { doing, method: "PUT", headers, body: () => ReadableStream.from(read()) as ReadableStream<Uint8Array> },
    async (response) => {
      await response.text();
      return response.headers.get("ETag");
    },
  );
}

async function verify(hub: HubConnection, href: string, { oid, file }: LargeUpload, doing: string): Promise<void> {
  const body = JSON.stringify({ oid, size: file.size });
  await request(
    hub,
    href,
    { doing, method: "POST", headers: LFS_HEADERS, body: () => body },
    async (response) => void (await response.text()),
  );
}
