/**
 * Joins a command with commander: flags from the schema, then flags > file > defaults, then the run itself.
 */
import type { Command as Commander } from "commander";
import { fieldsOf } from "../config/fields.ts";
import { loadConfigFile } from "../config/load-file.ts";
import { mergeConfigs, type PlainConfig } from "../config/merge.ts";
import { nearestName } from "../config/nearest-name.ts";
import { parseConfig } from "../config/parse.ts";
import { UsageError } from "../errors/usage-error.ts";
import type { Command } from "./command.ts";
import { configFromFlags, optionsOf } from "./flags.ts";
import { withInterrupt } from "./interrupt.ts";
import type { Io } from "./io.ts";
import { styleFor } from "./terminal/style.ts";

export function bindCommand(commander: Commander, command: Command, io: Io, done: (code: number) => void): void {
  commander.description(command.description);
  const fields = fieldsOf(command.schema);
  for (const field of fields) for (const option of optionsOf(field)) commander.addOption(option);
  commander.option("--config <file>", "Options from a file: .yaml, .json, .ts or .js; flags win");
  commander.option("--json", "Machine-readable output on stdout");
  if (command.wordsAs) commander.argument("[words...]", command.wordsAs.placeholder);
  commander.addHelpText("after", `\nExamples:\n${command.examples.map((line) => `  ${line}`).join("\n")}`);
  // Commander suggests only flags that look alike; ours also knows `--rank` for `--lora-rank`.
  commander.allowUnknownOption(true).allowExcessArguments(true);
  commander.action(async () => {
    refuseUnknown(commander, command);
    const given = commander.opts<Record<string, unknown> & { config?: string; json?: boolean }>();
    const file = given.config === undefined ? {} : await loadConfigFile(given.config);
    const merged = mergeConfigs(file, configFromFlags(command.schema, given), wordsOf(commander, command));
    done(await start(command, merged, given.json === true, io));
  });
}

async function start(command: Command, merged: PlainConfig, json: boolean, io: Io): Promise<number> {
  const config = parseConfig(command.schema, merged, `Configuring remora ${command.name}`);
  const library = await io.library();
  const proseStyle = styleFor(io.stderr, io.env);
  const context = {
    config,
    json,
    io,
    library,
    proseStyle,
    resultStyle: styleFor(io.stdout, io.env),
    say: (line: string) => io.stderr.write(`${line}\n`),
    print: (line: string) => io.stdout.write(`${line}\n`),
  };
  if (command.ownInterrupt) return command.run({ ...context, signal: new AbortController().signal });
  return withInterrupt(io, proseStyle, (signal) => command.run({ ...context, signal }));
}

function wordsOf(commander: Commander, command: Command): PlainConfig {
  const words = commander.args;
  if (words.length === 0 || !command.wordsAs) return {};
  return { [command.wordsAs.option]: command.wordsAs.list ? [...words] : words.join(" ") };
}

function refuseUnknown(commander: Commander, command: Command): void {
  const unknown = commander.args.filter((word) => /^--?[a-zA-Z]/.test(word));
  const excess = command.wordsAs ? [] : commander.args.filter((word) => !unknown.includes(word));
  if (unknown.length === 0 && excess.length === 0) return;
  const fields = fieldsOf(command.schema);
  const problems = unknown.map((word) => {
    const name = word.replace(/^-+/, "").replace(/=.*$/s, "");
    const nearest = nearestName(
      name,
      fields.map((field) => field.path),
    );
    const flag = fields.find((field) => field.path === nearest)?.flag;
    return `there is no flag --${name}${flag ? ` (did you mean ${flag}?)` : ""}`;
  });
  // Words behind an unknown flag are most likely its value, so they are named only when nothing else is wrong.
  if (unknown.length === 0) problems.push(`expected flags only, found ${excess.map((word) => JSON.stringify(word)).join(" ")}`);
  throw new UsageError(`Reading the command line of remora ${command.name}`, problems.join("\n"), `See \`remora ${command.name} --help\`.`);
}
