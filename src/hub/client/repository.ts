/** A repository of the Hub and its addresses. Models stand at the root, data sets under `datasets/`. */

export interface Repository {
  readonly type: "model" | "dataset";
  readonly owner: string;
  readonly name: string;
}

export const repositoryName = ({ owner, name }: Repository): string => `${owner}/${name}`;
/** As an API path begins. */
export const apiPath = (repository: Repository): string => `/api/${repository.type}s/${repositoryName(repository)}`;
/** As a page or a file's address begins. */
export const pagePath = (repository: Repository): string =>
  `/${repository.type === "dataset" ? "datasets/" : ""}${repositoryName(repository)}`;
/** The folder in the cache. */
export const cacheName = ({ type, owner, name }: Repository): string => `${type}s--${owner}--${name}`;

/** Branch names hold slashes (`refs/pr/3`), which must not become parts of the path. */
export const revisionPart = (revision: string): string => encodeURIComponent(revision);
export const filePart = (path: string): string => path.split("/").map(encodeURIComponent).join("/");
