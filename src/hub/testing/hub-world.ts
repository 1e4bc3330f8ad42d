/** A Hub server, an empty HF_HOME and a connection that does not wait: what every test of transfers starts from. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectOptions, connectHub, type HubConnection } from "../client/hub-connection.ts";
import type { HubSettings } from "./hub-routes.ts";
import { HubServer } from "./hub-server.ts";

/** Looks like a token of the Hub, so that redaction by its looks is tested too. */
export const TOKEN = "hf_TestTokenThatMustNeverBeShown0123";

export class HubWorld implements AsyncDisposable {
  readonly server: HubServer;
  readonly root: string;
  /** Pauses that were asked for, in milliseconds. */
  readonly pauses: number[] = [];

  private constructor(server: HubServer) {
    this.server = server;
    this.root = mkdtempSync(join(tmpdir(), "remora-hub-"));
  }

  static async start(settings: Partial<HubSettings> = {}): Promise<HubWorld> {
    const world = new HubWorld(await HubServer.start(settings));
    world.server.addAccount(TOKEN, { name: "mira", write: true, organisations: ["lab"] });
    return world;
  }

  get env(): Record<string, string> {
    return { HF_HOME: join(this.root, "home"), HF_ENDPOINT: this.server.endpoint, HF_TOKEN: TOKEN, HOME: this.root };
  }

  get cache(): string {
    return join(this.root, "home", "hub");
  }

  connect(options: ConnectOptions = {}, env: Record<string, string> = {}): HubConnection {
    const pause = async (milliseconds: number) => {
      this.pauses.push(milliseconds);
      await new Promise((resolve) => setTimeout(resolve, 2));
    };
    return connectHub("Testing", { ...this.env, ...env }, { pause, attempts: 4, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Every file below a folder with its content, links not followed twice: for looking for what must not be there. */
export function everyFile(folder: string): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const path = join(folder, name);
    if (statSync(path, { throwIfNoEntry: false })?.isFile()) found.set(name, readFileSync(path));
  }
  return found;
}

/** Bytes that do not repeat soon; equal seeds give equal bytes. */
export function someBytes(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed >>> 0;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
