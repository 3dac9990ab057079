/** `triseal zk export-solidity`: a verifier contract for one key. */
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { verifySetup } from "../../paths/zk/evidence/setup.ts";
import { solidityVerifier } from "../../paths/zk/evidence/solidity.ts";
import { parseVerificationKey, verificationKeyDigest } from "../../paths/zk/wire/documents.ts";
import { parseSetup, type Setup } from "../../paths/zk/wire/setup.ts";
import { readNamed } from "../refusing.ts";
import { ZK_FILES } from "./make-key.ts";
import { refusing } from "./refusing.ts";

interface Flags {
  readonly out: string;
  readonly json?: true;
}

/** Where weights are private the second signal is the commitment to them, and the caller of the contract must compare it. */
function subjectLine({ modelDigest, architectureDigest }: Setup): string {
  if (architectureDigest === undefined) return `Model ${modelDigest}`;
  return `Architecture ${architectureDigest}: signals[1] is the commitment to the weights, for the caller to compare`;
}

function exportSolidity(source: string, flags: Flags): Promise<void> {
  return refusing(flags.json, async () => {
    const isFolder = (await stat(source).catch(() => null))?.isDirectory() === true;
    const key = parseVerificationKey(await readNamed(isFolder ? join(source, ZK_FILES.key) : source));
    const setup = isFolder ? parseSetup(await readNamed(join(source, ZK_FILES.setup))) : null;
    if (setup !== null) verifySetup(setup, key);
    const keyDigest = verificationKeyDigest(key);
    const about = [
      "Written by `triseal zk export-solidity`.",
      `Verification key ${keyDigest}`,
      ...(setup === null ? ["Setup unknown"] : [subjectLine(setup), `Circuit ${setup.circuitDigest}`, `Setup ${setup.state}`]),
    ];
    await writeFile(flags.out, solidityVerifier(key, about));
    const signals = key.ic.length - 1;
    if (flags.json)
      console.log(JSON.stringify({ ok: true, out: flags.out, keyDigest, publicSignals: signals, setup: setup?.state ?? null }));
    else
      console.log(
        `contract  TrisealVerifier, ${signals} public signals, in ${flags.out}\nsetup     ${setup?.state ?? "unknown: the key came alone"}`,
      );
  });
}

/** Adds `zk export-solidity`. */
export function addSolidityCommand(zk: Command): void {
  zk.command("export-solidity <dir|key>")
    .description("write a Solidity contract that verifies proofs under a package's key, or under a verification_key.json")
    .requiredOption("--out <file>", "file to write the contract to")
    .option("--json", "print one JSON object")
    .action(exportSolidity);
}
