/** Which TCB level a platform has, and what the levels of platform, module and quoting enclave come to (Intel PCS API v4, TCB info). */
import { encodeHex, parseHex } from "../../../../core/bytes.ts";
import type { IsvLevels, QeIdentity, TcbInfo, TcbStatus } from "./collateral.ts";
import type { PckPlatform } from "./pck.ts";
import type { QeReport, TdReport } from "./quote.ts";

/** A level that was found. */
export interface FoundLevel {
  readonly status: TcbStatus;
  readonly advisories: readonly string[];
}

/** Index in TEE_TCB_SVN of the module's own security version and of its major version. */
const MODULE_SVN = 0;
const MODULE_VERSION = 1;

function reaches(actual: Iterable<number>, level: readonly { readonly svn: number }[], from: number): boolean {
  const values = [...actual];
  return level.every(({ svn }, index) => index < from || (values[index] ?? -1) >= svn);
}

/**
 * The first level, in the order of the document, that the platform reaches with every component; null where it reaches none.
 * A module of major version 1 or more is judged by its own identity, so its two components are left out here.
 */
export function platformLevel(info: TcbInfo, platform: PckPlatform, report: TdReport): FoundLevel | null {
  const from = (report.teeTcbSvn[MODULE_VERSION] ?? 0) > 0 ? 2 : 0;
  const found = info.tcbLevels.find(({ tcb }) => {
    const { sgxtcbcomponents, pcesvn, tdxtcbcomponents } = tcb;
    const reachesSgx = reaches(platform.components, sgxtcbcomponents, 0) && platform.pceSvn >= pcesvn;
    return reachesSgx && tdxtcbcomponents !== null && reaches(report.teeTcbSvn, tdxtcbcomponents, from);
  });
  return found === undefined ? null : { status: found.tcbStatus, advisories: found.advisoryIDs };
}

/** The first level whose ISVSVN is reached; null where none is. */
export function isvLevel(levels: IsvLevels, isvSvn: number): FoundLevel | null {
  const found = levels.find(({ tcb }) => isvSvn >= tcb.isvsvn);
  return found === undefined ? null : { status: found.tcbStatus, advisories: found.advisoryIDs };
}

/** Whether `actual`, seen through `mask`, is `wanted`; all in hexadecimal of one length. */
export function matchesMasked(actual: Uint8Array, mask: string, wanted: string): boolean {
  const bits = parseHex(mask);
  const masked = actual.map((byte, index) => byte & (bits[index] ?? 0));
  return encodeHex(masked) === wanted;
}

/** What the collateral says of the module: whether signer and attributes are those that it names, and the module's own level. */
export interface ModuleFinding {
  readonly matches: boolean;
  /** The level of a module that has an identity of its own; `none needed` for the first one, whose level is the platform's. */
  readonly level: FoundLevel | null | "none needed";
}

/** Compares the TDX module with the identity of its major version. A version without an identity is another module. */
export function judgeModule(info: TcbInfo, report: TdReport): ModuleFinding {
  const version = report.teeTcbSvn[MODULE_VERSION] ?? 0;
  const id = `TDX_${encodeHex(Uint8Array.of(version))}`;
  const own = info.tdxModuleIdentities?.find((candidate) => candidate.id.toLowerCase() === id.toLowerCase()) ?? null;
  const identity = version === 0 ? info.tdxModule : own;
  if (identity === null) return { matches: false, level: null };
  const matches =
    encodeHex(report.mrSignerSeam) === identity.mrsigner &&
    matchesMasked(report.seamAttributes, identity.attributesMask, identity.attributes);
  const level = version === 0 || own === null ? "none needed" : isvLevel(own.tcbLevels, report.teeTcbSvn[MODULE_SVN] ?? 0);
  return { matches, level };
}

/**
 * The state of a whole with a part: whatever either needs, the whole needs. Out of date says nothing of software hardening, which
 * the update may bring.
 */
function merge(whole: TcbStatus, part: TcbStatus): TcbStatus {
  const needs = (what: string) => whole.includes(what) || part.includes(what);
  const configuration = needs("Configuration");
  if (needs("Revoked")) return "Revoked";
  if (needs("OutOfDate")) return configuration ? "OutOfDateConfigurationNeeded" : "OutOfDate";
  if (needs("SWHardening")) return configuration ? "ConfigurationAndSWHardeningNeeded" : "SWHardeningNeeded";
  return configuration ? "ConfigurationNeeded" : "UpToDate";
}

/** The state of the platform with its parts; null where one of them reaches no level. */
export function mergeLevels(levels: readonly (FoundLevel | null)[]): FoundLevel | null {
  const [first, ...parts] = levels;
  if (first == null || parts.includes(null)) return null;
  const known = parts.filter((level) => level !== null);
  const status = known.reduce((whole, part) => merge(whole, part.status), first.status);
  const advisories = new Set([first, ...known].flatMap((level) => level.advisories));
  return { status, advisories: [...advisories].toSorted() };
}

/** Whether a quoting enclave is the one that its identity names, whatever its security version. */
export function isNamedQe(report: QeReport, identity: QeIdentity): boolean {
  return (
    encodeHex(report.mrSigner) === identity.mrsigner &&
    report.isvProdId === identity.isvprodid &&
    matchesMasked(report.miscSelect, identity.miscselectMask, identity.miscselect) &&
    matchesMasked(report.attributes, identity.attributesMask, identity.attributes)
  );
}
