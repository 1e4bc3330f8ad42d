/** `remora serve` as a process of its own, watched from outside: memory and files by /proc, heaps by the probe, the rest by its health page. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** The front door, the engine's worker, the encoder's worker. */
const THREADS = 3;

export interface Health {
  readonly inFlight: number;
  readonly running: number;
  readonly waiting: number;
  readonly slots: number;
  readonly pages: number;
  readonly freePages: number;
  readonly usedBytes: number;
  readonly reservedBytes: number;
}

export interface Sample extends Health {
  readonly requests: number;
  readonly seconds: number;
  /** Before the probe collects garbage, as it would be without it; and after. */
  readonly residentBytes: number;
  readonly residentBytesCollected: number;
  /** Of all threads, after collecting garbage. */
  readonly heapBytes: number;
  readonly externalBytes: number;
  readonly heapBytesByThread: readonly number[];
  readonly threads: number;
  readonly sockets: number;
  readonly otherFiles: number;
  readonly handles: Readonly<Record<string, number>>;
}

interface Measured {
  readonly threads: readonly { heapBytes: number; externalBytes: number }[];
  readonly handles: Readonly<Record<string, number>>;
}

export class ServerProcess {
  readonly url: string;
  readonly #child: ChildProcess;

  static async start(args: readonly string[]): Promise<ServerProcess> {
    const main = join(import.meta.dirname, "../../dist/cli/main.js");
    const probe = join(import.meta.dirname, "soak-probe.cjs");
    const child = fork(main, ["serve", ...args, "--port", "0", "--json"], {
      execArgv: ["--expose-gc", "--require", probe],
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    let said = "";
    for await (const bytes of child.stdout!.iterator({ destroyOnReturn: false })) {
      said += String(bytes);
      if (said.includes("\n")) break;
    }
    if (!said.includes("\n")) throw new Error("the server ended before it listened");
    child.stdout!.resume();
    return new ServerProcess((JSON.parse(said.split("\n")[0]!) as { url: string }).url, child);
  }

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  /** @throws when something is still running after ten seconds without a request */
  async sample(requests: number, seconds: number): Promise<Sample> {
    const health = await this.#idle();
    const residentBytes = this.#status("VmRSS") * 1024;
    const answer = once(this.#child, "message") as Promise<[Measured]>;
    this.#child.send({ threads: THREADS });
    const [{ threads, handles }] = await answer;
    if (threads.length !== THREADS) throw new Error(`expected ${THREADS} threads to answer, found ${threads.length}`);
    const sum = (of: (thread: (typeof threads)[number]) => number) => threads.reduce((total, thread) => total + of(thread), 0);
    return {
      requests,
      seconds,
      ...health,
      residentBytes,
      residentBytesCollected: this.#status("VmRSS") * 1024,
      heapBytes: sum(({ heapBytes }) => heapBytes),
      externalBytes: sum(({ externalBytes }) => externalBytes),
      heapBytesByThread: threads.map(({ heapBytes }) => heapBytes),
      threads: this.#status("Threads"),
      ...this.#files(),
      handles,
    };
  }

  /** SIGTERM, as a service manager would. @returns the exit code; null when it had to be killed */
  async stop(): Promise<number | null> {
    const exit = once(this.#child, "exit") as Promise<[number | null]>;
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 60_000);
    const [code] = await exit;
    clearTimeout(timer);
    return code;
  }

  async #idle(): Promise<Health> {
    const until = Date.now() + 10_000;
    for (;;) {
      const response = await fetch(`${this.url}/health`, { headers: { connection: "close" } });
      const { status: _, ...health } = (await response.json()) as Health & { status: string };
      if (health.inFlight + health.running + health.waiting === 0) return health;
      if (Date.now() > until) throw new Error(`requests that nobody waits for still run: ${JSON.stringify(health)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  #status(field: string): number {
    const line = readFileSync(`/proc/${this.#child.pid}/status`, "utf8")
      .split("\n")
      .find((each) => each.startsWith(`${field}:`))!;
    return Number(line.split(/\s+/)[1]);
  }

  #files(): { sockets: number; otherFiles: number } {
    const folder = `/proc/${this.#child.pid}/fd`;
    const targets = readdirSync(folder).map((name) => {
      try {
        return readlinkSync(join(folder, name));
      } catch {
        return ""; // closed meanwhile
      }
    });
    const sockets = targets.filter((target) => target.startsWith("socket:")).length;
    return { sockets, otherFiles: targets.length - sockets };
  }
}
