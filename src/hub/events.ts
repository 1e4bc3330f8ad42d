/** What a transfer tells whoever watches it, and what it reports at its end: plain objects. Sizes are bytes, times seconds. */

export type TransferEvent =
  /** The comparison is done: this much has to move. */
  | {
      readonly event: "transfer-start";
      readonly direction: "push" | "pull";
      /** `owner/name` */
      readonly repository: string;
      /** Files and bytes to move, and files that are the same on both sides. */
      readonly files: number;
      readonly bytes: number;
      readonly unchanged: number;
      /** Left out: copies of the same weights for other programs. */
      readonly skipped: number;
    }
  /** Hashing before anything moves. */
  | { readonly event: "hash-progress"; readonly file: string; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly event: "transfer-progress"; readonly file: string; readonly doneBytes: number; readonly totalBytes: number };

export interface PullReport {
  repository: string;
  /** As asked: a branch, a tag or a commit. */
  revision: string;
  commit: string;
  /** The snapshot in the cache. */
  folder: string;
  files: number;
  bytes: number;
  /** Over the network by this call. */
  receivedBytes: number;
  /** Files that were in the cache before. */
  reused: number;
  skipped: string[];
  seconds: number;
}

export interface PushReport {
  repository: string;
  /** The repository's page. */
  url: string;
  revision: string;
  commit: string;
  /** True when this call made the repository. */
  created: boolean;
  private: boolean;
  uploaded: { path: string; bytes: number }[];
  deleted: string[];
  unchanged: number;
  /** Over the network by this call, the commit's own body excluded. */
  sentBytes: number;
  /** What others will stumble over, in words. */
  warnings: string[];
  seconds: number;
}
