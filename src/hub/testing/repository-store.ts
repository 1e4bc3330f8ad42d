/** What a Hub keeps: repositories with commits, and content by its hash. In memory, for tests. */
import { createHash } from "node:crypto";

export interface StoredFile {
  /** Git's sha1 of the blob; for a large file, of its pointer. */
  readonly oid: string;
  readonly size: number;
  /** sha256, when the content is in large-file storage. */
  readonly sha256?: string;
}

export interface StoredCommit {
  readonly id: string;
  readonly parent: string | undefined;
  readonly summary: string;
  readonly files: ReadonlyMap<string, StoredFile>;
}

export interface StoredRepository {
  readonly type: "model" | "dataset";
  readonly id: string;
  private: boolean;
  gated: boolean;
  readonly commits: Map<string, StoredCommit>;
  /** Branches and tags. */
  readonly refs: Map<string, string>;
}

export class RepositoryStore {
  readonly repositories = new Map<string, StoredRepository>();
  /** Small content by git's sha1, large content by sha256. */
  readonly blobs = new Map<string, Buffer>();
  readonly objects = new Map<string, Buffer>();

  create(type: "model" | "dataset", id: string, isPrivate: boolean): StoredRepository {
    const repository: StoredRepository = { type, id, private: isPrivate, gated: false, commits: new Map(), refs: new Map() };
    this.repositories.set(`${type}/${id}`, repository);
    this.commit(
      repository,
      "main",
      "initial commit",
      new Map([[".gitattributes", this.addSmall(Buffer.from("*.safetensors filter=lfs diff=lfs merge=lfs -text\n"))]]),
    );
    return repository;
  }

  find(type: "model" | "dataset", id: string): StoredRepository | undefined {
    return this.repositories.get(`${type}/${id}`);
  }

  /** A branch, a tag or a commit. */
  at(repository: StoredRepository, revision: string): StoredCommit | undefined {
    return repository.commits.get(repository.refs.get(revision) ?? revision);
  }

  commit(repository: StoredRepository, branch: string, summary: string, files: ReadonlyMap<string, StoredFile>): StoredCommit {
    const parent = repository.refs.get(branch);
    const content = JSON.stringify([repository.id, parent, summary, [...files], repository.commits.size]);
    const commit: StoredCommit = { id: sha1(Buffer.from(content)), parent, summary, files };
    repository.commits.set(commit.id, commit);
    repository.refs.set(branch, commit.id);
    return commit;
  }

  addSmall(content: Buffer): StoredFile {
    const oid = sha1(Buffer.concat([Buffer.from(`blob ${content.length}\0`), content]));
    this.blobs.set(oid, content);
    return { oid, size: content.length };
  }

  /** The content must be in the large-file storage. */
  pointTo(sha256: string, size: number): StoredFile {
    const pointer = Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${size}\n`);
    return { oid: sha1(Buffer.concat([Buffer.from(`blob ${pointer.length}\0`), pointer])), size, sha256 };
  }

  addLarge(content: Buffer): StoredFile {
    const hash = createHash("sha256").update(content).digest("hex");
    this.objects.set(hash, content);
    return this.pointTo(hash, content.length);
  }

  content(file: StoredFile): Buffer {
    return (file.sha256 ? this.objects.get(file.sha256) : this.blobs.get(file.oid))!;
  }
}

const sha1 = (bytes: Buffer): string => createHash("sha1").update(bytes).digest("hex");
