/** What AMD writes into the certificate of a VCEK or VLEK (AMD 57230, chapter 3). */
import { parseUtf8 } from "../../../../core/bytes.ts";
import { malformed, unsupported } from "../appraisal/evidence-error.ts";
import type { Certificate } from "../x509/certificate.ts";
import { smallInteger, soleElement, TAG } from "../x509/der.ts";
import type { Product, Tcb } from "./report.ts";

const AMD = "1.3.6.1.4.1.3704.1";
const PRODUCT_NAME = `${AMD}.2`;
const HARDWARE_ID = `${AMD}.4`;
const CSP_ID = `${AMD}.5`;

/** A versioned key's certificate. */
export interface Vek {
  readonly certificate: Certificate;
  readonly product: Product;
  /** `SEV-VCEK` and `SEV-VLEK` are the names of the leaves; null for any other. */
  readonly role: "vcek" | "vlek" | null;
  /** Security version numbers by the last arc of their object identifiers, 1 to 9; those that are there. */
  readonly versions: ReadonlyMap<number, number>;
  /** The chip id as it stands, unwrapped; null where it is absent, as in a VLEK's. */
  readonly hardwareId: Uint8Array | null;
  /** Cloud provider whom a VLEK was made for. */
  readonly cspId: string | null;
}

const ROLES: Readonly<Record<string, "vcek" | "vlek">> = { "SEV-VCEK": "vcek", "SEV-VLEK": "vlek" };

function ia5(certificate: Certificate, oid: string): string | null {
  const extension = certificate.extensions.get(oid);
  return extension === undefined ? null : parseUtf8(soleElement(extension.value, TAG.ia5String).content);
}

function versionNumber(certificate: Certificate, arc: number): number | null {
  const extension = certificate.extensions.get(`${AMD}.3.${arc}`);
  if (extension === undefined) return null;
  const value = smallInteger(soleElement(extension.value, TAG.integer));
  return value <= 0xff ? value : malformed(`security version ${arc} is no byte`);
}

/** Families by the name that stands before the stepping: Bergamo and Siena are served under Genoa's keys. */
const FAMILIES: ReadonlyMap<string, Product> = new Map([
  ["Milan", "Milan"],
  ["Genoa", "Genoa"],
  ["Bergamo", "Genoa"],
  ["Siena", "Genoa"],
  ["Turin", "Turin"],
]);

function productOf(name: string): Product {
  return FAMILIES.get(name.split("-")[0] ?? "") ?? unsupported("a product of another name");
}

/** @throws TrisealError `EVIDENCE_MALFORMED` without a product name or where an extension does not parse; `EVIDENCE_UNSUPPORTED` for another product. */
export function parseVek(certificate: Certificate): Vek {
  const name = ia5(certificate, PRODUCT_NAME) ?? malformed("a certificate without a product name");
  const versions = new Map<number, number>();
  for (let arc = 1; arc <= 9; arc++) {
    const version = versionNumber(certificate, arc);
    if (version !== null) versions.set(arc, version);
  }
  const hardwareId = certificate.extensions.get(HARDWARE_ID)?.value ?? null;
  const cspId = ia5(certificate, CSP_ID);
  const role = ROLES[certificate.subjectName ?? ""] ?? null;
  return { certificate, product: productOf(name), role, versions, hardwareId, cspId };
}

/** Whether every security version of the certificate is that of `tcb`, and none that the product has is missing. */
export function hasTcb({ versions, product }: Vek, tcb: Tcb, field: Uint8Array): boolean {
  const named = new Map<number, number>([
    [1, tcb.bootloader],
    [2, tcb.tee],
    [3, tcb.snp],
    [8, tcb.microcode],
    ...(tcb.fmc === null ? [] : ([[9, tcb.fmc]] as const)),
  ]);
  // Milan and Genoa have four more numbers, which stand for the reserved bytes 2 to 5; Turin's reserved bytes have none.
  const reserved = (arc: number) => (product === "Turin" ? 0 : (field[arc - 2] ?? 0));
  const others = [...versions].filter(([arc]) => !named.has(arc));
  return (
    [...named].every(([arc, value]) => versions.get(arc) === value) &&
    others.every(([arc, value]) => arc < 8 && value === reserved(arc))
  );
}

const CHIP_ID_BYTES: Readonly<Record<Product, number>> = { Milan: 64, Genoa: 64, Turin: 8 };

/** Whether the chip id of a report is the certificate's: raw octets of exactly the product's length, and zeros after them. */
export function hasChipId({ hardwareId, product }: Vek, chipId: Uint8Array): boolean {
  if (hardwareId === null || hardwareId.length !== CHIP_ID_BYTES[product]) return false;
  return chipId.every((byte, index) => byte === (hardwareId[index] ?? 0));
}
