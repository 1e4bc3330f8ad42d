import { RemoraError } from "./remora-error.ts";

/** The server's address cannot be used. */
export class ServerStartError extends RemoraError {
  constructor(host: string, port: number, cause: Error & { code?: string }) {
    const why =
      cause.code === "EADDRINUSE"
        ? "another program listens there"
        : cause.code === "EACCES"
          ? "this user may not listen there"
          : cause.code === "EADDRNOTAVAIL" || cause.code === "ENOTFOUND"
            ? "this machine has no such address"
            : cause.message;
    super("server-start", 2, {
      doing: `Listening on ${host}, port ${port}`,
      problem: why,
      next: "Choose another --port or --host.",
      cause,
    });
  }
}
