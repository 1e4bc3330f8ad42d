/**
 * The index: four tables of an embedded LanceDB in a folder or in object storage.
 *
 *   chunks     one row a chunk: text with its heading, where it stands, and, where there is an embedder, its vector
 *   documents  one row a file: the hash of its bytes, so that the next run knows what changed
 *   unread     one row a file that could not be read: why, and when that was
 *   settings   name and value: chunk sizes, counter, embedder; another setting means another index
 *
 * A document's row is written after its chunks: what an interrupted run leaves behind is found by name and replaced by the next.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Connection, Table } from "@lancedb/lancedb";
import { IndexError } from "../../errors/index-error.ts";
import { type Lance, openLance } from "./open-lance.ts";

/** Raised when what stands in the tables changes its meaning. */
const FORMAT_VERSION = "1";

export interface IndexSettings {
  readonly chunkTokens: number;
  readonly overlapTokens: number;
  readonly counter: string;
  /** Undefined: full text alone. */
  readonly embedder?: {
    readonly model: string;
    readonly url?: string;
    readonly pooling?: "auto" | "mean" | "cls";
    readonly dimensions: number;
    readonly queryPrefix?: string;
    readonly passagePrefix?: string;
  };
}

export interface StoredDocument {
  readonly document: string;
  readonly hash: string;
  readonly title: string;
  readonly chunks: number;
}

/** A document that was met and could not be read. */
export interface UnreadDocument {
  readonly document: string;
  readonly reason: string;
  /** What to do about it. */
  readonly next?: string;
  /** Of the last attempt, ISO 8601. */
  readonly triedAt: string;
  /** What was read of it before it became unreadable is still in the index, and still answers. */
  readonly keepsOldText: boolean;
}

/** A chunk as it lies in the table. */
export interface ChunkRow {
  /** Hash of heading and text: an equal chunk keeps its vector. */
  readonly id: string;
  readonly document: string;
  readonly ordinal: number;
  readonly title: string;
  readonly heading: string;
  readonly place: string;
  /** Heading, line end, text: what full text searches and what is embedded. */
  readonly full: string;
  readonly tokens: number;
  readonly vector?: Float32Array;
}

export interface FoundRow extends ChunkRow {
  /** BM25, from full text. */
  readonly score?: number;
  /** Cosine distance, from vectors. */
  readonly distance?: number;
}

/** From here on comparing a question with every vector takes longer than 20 ms or so, and an index of cells is made. */
const VECTOR_INDEX_CHUNKS = 20_000;
/** Cells read for a question, of about one for every 200 chunks. */
const CELLS_READ = 24;

const COLUMNS = ["id", "document", "ordinal", "title", "heading", "place", "full", "tokens"] as const;

export class DocumentIndex {
  readonly path: string;
  readonly #lance: Lance;
  readonly #connection: Connection;
  #settings: IndexSettings | undefined;
  readonly #tables = new Map<string, Table>();

  /**
   * Opens what is there, or, with `create`, a place for a new one.
   * @throws MissingPackageError · IndexError
   */
  static async open(path: string, doing: string, options: { create: boolean } = { create: true }): Promise<DocumentIndex> {
    const lance = await openLance(doing);
    // LanceDB would make the folder.
    if (!options.create && isMissing(path)) {
      throw new IndexError("Opening the index", path, "there is no index", "Make one first: remora index <folder> --index <this path>.");
    }
    let connection: Connection;
    try {
      connection = await lance.connect(path);
    } catch (cause) {
      throw new IndexError(
        "Opening the index",
        path,
        `it cannot be opened: ${firstLine(cause)}`,
        "Check the path, or the credentials of the object storage.",
        cause,
      );
    }
    const index = new DocumentIndex(path, lance, connection);
    await index.#readSettings();
    return index;
  }

  private constructor(path: string, lance: Lance, connection: Connection) {
    this.path = path;
    this.#lance = lance;
    this.#connection = connection;
  }

  /** Undefined where nothing was indexed yet. */
  get settings(): IndexSettings | undefined {
    return this.#settings;
  }

  get hasVectors(): boolean {
    return this.#settings?.embedder !== undefined;
  }

  /** Empties the index and gives it settings. */
  async begin(settings: IndexSettings): Promise<void> {
    for (const name of ["chunks", "documents", "unread", "settings"]) await this.#drop(name);
    const rows = [
      { name: "format", value: FORMAT_VERSION },
      { name: "settings", value: JSON.stringify(settings) },
    ];
    this.#tables.set("settings", await this.#connection.createTable("settings", rows));
    this.#settings = settings;
  }

  async documents(): Promise<Map<string, StoredDocument>> {
    const table = await this.#table("documents");
    const rows = table ? ((await table.query().toArray()) as StoredDocument[]) : [];
    return new Map(rows.map(({ document, hash, title, chunks }) => [document, { document, hash, title, chunks: Number(chunks) }]));
  }

  /** By name. An index that was made before such records were kept has none. */
  async unread(): Promise<UnreadDocument[]> {
    const table = await this.#table("unread");
    if (!table) return [];
    const rows = (await table.query().toArray()) as { document: string; reason: string; next: string; triedAt: string }[];
    const known = await this.documents();
    return rows
      .map(({ document, reason, next, triedAt }) => ({
        document,
        reason,
        ...(next === "" ? {} : { next }),
        triedAt,
        keepsOldText: known.has(document),
      }))
      .sort((a, b) => (a.document < b.document ? -1 : 1));
  }

  /** Puts them on the list of what could not be read, in the place of what it said of them. */
  async noteUnread(failed: readonly Omit<UnreadDocument, "keepsOldText">[]): Promise<void> {
    if (failed.length === 0) return;
    await this.forgetUnread(failed.map(({ document }) => document));
    await this.#add(
      "unread",
      failed.map(({ document, reason, next = "", triedAt }) => ({ document, reason, next, triedAt })),
    );
  }

  /** Takes them off that list. */
  async forgetUnread(names: readonly string[]): Promise<void> {
    if (names.length > 0) await (await this.#table("unread"))?.delete(oneOf("document", names));
  }

  /** Vectors of a document's chunks by their id. */
  async vectorsOf(documents: readonly string[]): Promise<Map<string, Float32Array>> {
    const table = this.hasVectors && documents.length > 0 ? await this.#table("chunks") : undefined;
    const rows = table ? await table.query().where(oneOf("document", documents)).select(["id", "vector"]).toArray() : [];
    return new Map(rows.map((row) => [row.id as string, toFloats(row.vector)]));
  }

  /** Puts documents in the place of what the index had under their names. */
  async put(documents: readonly StoredDocument[], chunks: readonly ChunkRow[]): Promise<void> {
    await this.remove(documents.map(({ document }) => document));
    if (chunks.length > 0) await this.#add("chunks", this.#chunkTable(chunks));
    if (documents.length > 0)
      await this.#add(
        "documents",
        documents.map((document) => ({ ...document })),
      );
  }

  async remove(documents: readonly string[]): Promise<void> {
    if (documents.length === 0) return;
    for (const name of ["documents", "chunks"]) await (await this.#table(name))?.delete(oneOf("document", documents));
  }

  /** Brings the full-text index up to date and tidies up behind many small writes. */
  async finish(): Promise<void> {
    const chunks = await this.#table("chunks");
    if (!chunks) return;
    const { Index } = this.#lance;
    const existing = await chunks.listIndices();
    if (!existing.some(({ columns }) => columns.includes("full"))) {
      // icu cuts Japanese into words (the library has it, its type does not name it yet); stemming makes "members" find "member" and
      // leaves Japanese alone.
      const config = Index.fts({
        baseTokenizer: "icu" as "simple",
        lowercase: true,
        stem: true,
        removeStopWords: false,
        asciiFolding: true,
        withPosition: false,
      });
      await chunks.createIndex("full", { config });
    }
    const isLarge = this.hasVectors && (await chunks.countRows()) >= VECTOR_INDEX_CHUNKS;
    if (isLarge && !existing.some(({ columns }) => columns.includes("vector"))) {
      // Whole vectors in cells: exact within the cells that are read, which product quantization would not be.
      await chunks.createIndex("vector", { config: Index.ivfFlat({ distanceType: "cosine" }) });
    }
    for (const name of ["chunks", "documents", "unread"]) await (await this.#table(name))?.optimize({ cleanupOlderThan: new Date() });
  }

  async chunkCount(): Promise<number> {
    return (await (await this.#table("chunks"))?.countRows()) ?? 0;
  }

  /** Every chunk, without its vector, in the order of the documents. */
  async chunks(): Promise<ChunkRow[]> {
    const table = await this.#table("chunks");
    const rows = table
      ? await table
          .query()
          .select([...COLUMNS])
          .toArray()
      : [];
    return rows
      .map((row) => this.#found(row))
      .sort((a, b) => (a.document === b.document ? a.ordinal - b.ordinal : a.document < b.document ? -1 : 1));
  }

  /** Chunks that share words with the question, by BM25. */
  async searchText(question: string, limit: number): Promise<FoundRow[]> {
    const table = await this.#table("chunks");
    if (!table || question.trim() === "") return [];
    const rows = await table
      .query()
      .fullTextSearch(question, { columns: ["full"] })
      .select(this.#selected("_score"))
      .limit(limit)
      .toArray();
    return rows.map((row) => this.#found(row));
  }

  /** Chunks nearest to a vector, by cosine. */
  async searchVector(vector: Float32Array, limit: number): Promise<FoundRow[]> {
    const table = await this.#table("chunks");
    if (!table) return [];
    const rows = await table
      .vectorSearch(vector)
      .nprobes(CELLS_READ)
      .distanceType("cosine")
      .select(this.#selected("_distance"))
      .limit(limit)
      .toArray();
    return rows.map((row) => this.#found(row));
  }

  close(): void {
    for (const table of this.#tables.values()) table.close();
    this.#connection.close();
  }

  #selected(extra: string): string[] {
    return [...COLUMNS, ...(this.hasVectors ? ["vector"] : []), extra];
  }

  #found(row: Record<string, unknown>): FoundRow {
    return {
      id: String(row.id),
      document: String(row.document),
      ordinal: Number(row.ordinal),
      title: String(row.title),
      heading: String(row.heading),
      place: String(row.place),
      full: String(row.full),
      tokens: Number(row.tokens),
      ...(row.vector ? { vector: toFloats(row.vector) } : {}),
      ...(row._score === undefined ? {} : { score: Number(row._score) }),
      ...(row._distance === undefined ? {} : { distance: Number(row._distance) }),
    };
  }

  #chunkTable(chunks: readonly ChunkRow[]) {
    const dimensions = this.#settings?.embedder?.dimensions;
    const rows = chunks.map((chunk) => (dimensions === undefined ? { ...chunk, vector: undefined } : { ...chunk }));
    return dimensions === undefined ? rows.map(({ vector: _, ...row }) => row) : rows;
  }

  async #add(name: string, rows: readonly Record<string, unknown>[]): Promise<void> {
    const table = await this.#table(name);
    if (table) await table.add(rows as Record<string, unknown>[]);
    else this.#tables.set(name, await this.#connection.createTable(name, rows as Record<string, unknown>[]));
  }

  async #table(name: string): Promise<Table | undefined> {
    const known = this.#tables.get(name);
    if (known) return known;
    if (!(await this.#connection.tableNames()).includes(name)) return undefined;
    const table = await this.#connection.openTable(name);
    this.#tables.set(name, table);
    return table;
  }

  async #drop(name: string): Promise<void> {
    if (!(await this.#table(name))) return;
    this.#tables.get(name)?.close();
    this.#tables.delete(name);
    await this.#connection.dropTable(name);
  }

  async #readSettings(): Promise<void> {
    const table = await this.#table("settings");
    if (!table) return;
    const rows = await table.query().toArray();
    const value = (name: string) => rows.find((row) => row.name === name)?.value as string | undefined;
    if (value("format") !== FORMAT_VERSION) {
      throw new IndexError(
        "Opening the index",
        this.path,
        `expected format ${FORMAT_VERSION}, found ${value("format") ?? "none"}`,
        "It was made by another version of remora: run remora index with --rebuild into a new folder.",
      );
    }
    this.#settings = JSON.parse(value("settings") ?? "{}") as IndexSettings;
  }
}

/** Arrow's vectors hand out their numbers at once; walking over them one by one takes longer than the search. */
const toFloats = (vector: unknown): Float32Array => Float32Array.from((vector as { toArray(): Float32Array }).toArray());

/** True for a folder that holds an index, and for addresses of object storage, which hold nothing else. */
export const isIndex = (path: string): boolean => /^[a-z0-9+]+:\/\//i.test(path) || existsSync(join(path, "chunks.lance"));

/** True for a folder that is not there; nothing is known of addresses of object storage. */
export const isMissing = (path: string): boolean => !/^[a-z0-9+]+:\/\//i.test(path) && !existsSync(path);

/** A condition of LanceDB's SQL; names of files may hold quotation marks. */
const oneOf = (column: string, values: readonly string[]): string =>
  `${column} IN (${values.map((value) => `'${value.replaceAll("'", "''")}'`).join(", ")})`;

const firstLine = (cause: unknown): string =>
  String((cause as Error).message ?? cause)
    .split("\n")[0]!
    .slice(0, 200);
