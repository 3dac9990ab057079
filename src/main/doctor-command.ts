/** `triseal doctor`: what is missing on this machine, and how to get it. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { readConfig } from "./config.ts";
import { probeHardware } from "./doctor/hardware.ts";
import { probeData, probePort } from "./doctor/places.ts";
import {
  type Probe,
  probeDatabase,
  probeEngine,
  probeMachine,
  probeNode,
  probeOnnxRuntime,
  probeProver,
  probeRust,
  probeSwtpm,
} from "./doctor/probes.ts";
import { FAILURE_EXIT } from "./exit-code.ts";
import { portOf } from "./serve-command.ts";

interface DoctorFlags {
  readonly data?: string;
  readonly config?: string;
  readonly port?: string;
  readonly json?: true;
}

const MARKS = { ok: "ok", missing: "MISSING", absent: "-" } as const;

function printProbe({ name, finding, detail, remedy }: Probe): void {
  console.log(`${MARKS[finding].padEnd(8)} ${name.padEnd(13)} ${detail}`);
  if (remedy !== null) console.log(`${" ".repeat(23)}${remedy}`);
}

async function doctor(flags: DoctorFlags): Promise<void> {
  const config = await readConfig(flags.config ?? null);
  const probes = [
    probeNode(process.versions.node),
    probeOnnxRuntime(),
    probeMachine(),
    probeData(resolve(flags.data ?? config.dataDir)),
    await probePort(config.listen.host, flags.port === undefined ? config.listen.port : portOf(flags.port)),
    probeDatabase(process.env["DATABASE_URL"] ?? null),
    probeRust(),
    probeProver(),
    probeEngine(),
    probeSwtpm(),
    ...probeHardware(),
  ];
  const missing = probes.filter(({ finding }) => finding === "missing").length;
  if (flags.json) console.log(JSON.stringify({ ready: missing === 0, probes }));
  else {
    for (const probe of probes) printProbe(probe);
    console.log(
      missing === 0
        ? "\n`triseal serve --dev` can run here; its workers' evidence is simulated, with or without the hardware above"
        : `\n${missing} missing: \`triseal serve\` cannot run here`,
    );
  }
  if (missing > 0) process.exitCode = FAILURE_EXIT;
}

/** Adds `doctor` to the command line. */
export function addDoctorCommand(program: Command): void {
  program
    .command("doctor")
    .description("say what is missing on this machine, and how to get it; changes nothing")
    .option("--data <dir>", "data folder")
    .option("--config <file>", "configuration")
    .option("--port <n>", "port to look at")
    .option("--json", "JSON")
    .action(doctor);
}
