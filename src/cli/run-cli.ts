/**
 * The command line: words in, exit code out. Used by `main.ts` with the real world and by tests with their own.
 *
 * Only the command that is called is loaded, and zod with it, so `remora --help` stays instant. Exit codes: 0 done, 1 failed, 2 bad usage or
 * bad input, 130 interrupted.
 */
import { Command as Commander, CommanderError } from "commander";
import { nearestName } from "../config/nearest-name.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import { UsageError } from "../errors/usage-error.ts";
import type { Command } from "./command.ts";
import { COMMANDS, type CommandEntry } from "./command-table.ts";
import type { Io } from "./io.ts";
import { errorParts, renderError } from "./render/render-error.ts";
import { styleFor } from "./terminal/style.ts";
import { version } from "./version.ts";

export async function runCli(words: readonly string[], io: Io): Promise<number> {
  const argv = words[0] === "help" ? [...words.slice(1), "--help"] : [...words];
  const json = argv.includes("--json");
  let exitCode = 0;
  try {
    refuseUnknownCommand(argv);
    const program = await buildProgram(argv, io, (code) => {
      exitCode = code;
    });
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    return report(error instanceof CommanderError ? usageError(error) : error, io, json, argv[0] === "train");
  }
}

async function buildProgram(argv: readonly string[], io: Io, done: (code: number) => void): Promise<Commander> {
  const program = dressed(new Commander("remora"), io)
    .description("Fine-tune open language models from TypeScript: data in, adapter out, proven.")
    .version(version(), "-V, --version")
    .helpCommand(false)
    .addHelpText("after", "\nStart with `remora demo`. `remora <command> --help` shows a command's flags.");
  const called = COMMANDS.find((entry) => entry.name.split(" ").every((word, index) => argv[index] === word));
  for (const entry of COMMANDS) await addCommand(program, entry, entry === called, io, done);
  if (argv.length === 0) {
    program.action(() => {
      io.stderr.write(program.helpInformation());
      done(2);
    });
  }
  return program;
}

/** Before commander sees the words: it would complain about the first flag instead. */
function refuseUnknownCommand(argv: readonly string[]): void {
  const [first, second] = argv;
  if (first === undefined || first.startsWith("-")) return;
  const matching = COMMANDS.filter((entry) => entry.name.split(" ")[0] === first);
  const families = matching.filter((entry) => entry.name.includes(" "));
  if (matching.length === 0) {
    const nearest = nearestName(
      first,
      COMMANDS.flatMap((entry) => [entry.name, entry.name.split(" ")[0]!]),
    );
    throw new UsageError(
      "Running remora",
      `there is no command ${first}${nearest ? ` (did you mean ${nearest}?)` : ""}`,
      "See `remora --help`.",
    );
  }
  if (families.length === 0 || second === "--help" || second === "-h" || families.some((entry) => entry.name === `${first} ${second}`))
    return;
  const found = second === undefined || second.startsWith("-") ? "nothing" : second;
  throw new UsageError(
    `Running remora ${first}`,
    `expected ${families.map((entry) => entry.name.split(" ")[1]).join(" or ")}, found ${found}`,
  );
}

async function addCommand(program: Commander, entry: CommandEntry, called: boolean, io: Io, done: (code: number) => void): Promise<void> {
  const words = entry.name.split(" ");
  const parent = words.length > 1 ? parentOf(program, words[0]!, io) : program;
  const commander = dressed(parent.command(words.at(-1)!), io)
    .summary(entry.summary)
    .description(entry.summary);
  if (!called) return;
  const { command } = await entry.load();
  const { bindCommand } = await import("./bind-command.ts");
  bindCommand(commander, command as Command, io, done);
}

function parentOf(program: Commander, name: string, io: Io): Commander {
  const existing = program.commands.find((command) => command.name() === name);
  return existing ?? dressed(program.command(name), io).description("Look at training data before paying for training").helpCommand(false);
}

/** Makes commander write to our streams and throw instead of ending the process. */
function dressed(command: Commander, io: Io): Commander {
  return command.exitOverride().configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: () => {},
    getOutHelpWidth: () => Math.min(io.stdout.columns, 120),
    getErrHelpWidth: () => Math.min(io.stderr.columns, 120),
  });
}

/** Commander's complaint in our three parts. */
function usageError(error: CommanderError): UsageError {
  const [problem, ...rest] = error.message.replace(/^error: /, "").split("\n");
  const next = [...rest.map((line) => line.replace(/^\((.*)\)$/, "$1")), "See `remora --help` or `remora <command> --help`."];
  return new UsageError("Reading the command line", problem!, next.join("\n"));
}

function report(error: unknown, io: Io, json: boolean, asEvent: boolean): number {
  const parts = errorParts(error);
  const interrupted = error instanceof CancelledError || parts.code === "cancelled";
  io.stderr.write(interrupted ? "Stopped.\n" : `${renderError(error, styleFor(io.stderr, io.env), io.env)}\n`);
  const { exitCode, ...data } = parts;
  if (json) io.stdout.write(`${JSON.stringify(asEvent ? { event: "error", error: data } : { error: data })}\n`);
  return exitCode;
}
