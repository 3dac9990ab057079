/** What of a machine could attest, each with what it takes to have it. No attester of this version has been run on hardware. */
import { accessSync, constants, existsSync } from "node:fs";
import { found, lacking, type Probe, versionOf } from "./probes.ts";

/** How a probe looks at the machine. */
export interface Machine {
  readonly exists: (file: string) => boolean;
  /** Whether this user may read and write the file. */
  readonly isOpen: (file: string) => boolean;
  /** The version that a command says, or null where it is not there. */
  readonly versionOf: (command: string) => string | null;
}

interface Device {
  readonly name: string;
  readonly file: string;
  readonly remedy: string;
}

const DEVICES: readonly Device[] = [
  {
    name: "configfs-tsm",
    file: "/sys/kernel/config/tsm/report",
    remedy:
      "Linux 6.7 or newer in a confidential guest: `mount -t configfs none /sys/kernel/config`, `modprobe sev-guest` or `tdx-guest`",
  },
  {
    name: "sev-snp",
    file: "/dev/sev-guest",
    remedy: "rent or start an SEV-SNP guest (EPYC 7003 or newer); its kernel's driver is `sev-guest`",
  },
  {
    name: "tdx",
    file: "/dev/tdx_guest",
    remedy: "rent or start a TDX guest (fifth-generation Xeon or newer); its kernel's driver is `tdx-guest`",
  },
  {
    name: "tpm",
    file: "/dev/tpmrm0",
    remedy: "a TPM 2.0 or the vTPM of a virtual machine; it is switched on in the firmware or by the cloud's console",
  },
];

const COMMANDS = [
  { name: "nvidia-smi", remedy: "an NVIDIA GPU with its driver; confidential computing takes an H100 or newer" },
  { name: "nvattest", remedy: "NVIDIA's attestation command line (`nvattest`), beside the driver: it fetches a GPU's report" },
] as const;

const thisMachine: Machine = {
  exists: existsSync,
  isOpen: (file) => {
    try {
      accessSync(file, constants.R_OK | constants.W_OK);
      return true;
    } catch {
      return false;
    }
  },
  versionOf,
};

/** Devices and commands of hardware evidence. Nothing of it is needed: workers have simulated evidence. */
export function probeHardware(machine: Machine = thisMachine): readonly Probe[] {
  const devices = DEVICES.map(({ name, file, remedy }) => {
    if (!machine.exists(file)) return lacking(name, "absent", `no ${file}`, remedy);
    if (machine.isOpen(file)) return found(name, file);
    return lacking(
      name,
      "absent",
      `${file} is not open to this user`,
      "run as a user of the device's group, such as `tss`, or root",
    );
  });
  const commands = COMMANDS.map(({ name, remedy }) => {
    const version = machine.versionOf(name);
    return version === null ? lacking(name, "absent", "not installed", remedy) : found(name, version);
  });
  return [...devices, ...commands];
}
