/** Readers of what devices, attestation services and enclaves say, for the fuzz target `evidence-parsers`. */
import { encodeHex, parseUtf8, utf8 } from "../../src/core/bytes.ts";
import { parseJson } from "../../src/core/json.ts";
import { encodeCborBytes, parseCbor } from "../../src/paths/tee/evidence/nitro/cbor.ts";
import { parseNitroDocument } from "../../src/paths/tee/evidence/nitro/nitro-document.ts";
import { parseDetachedEat } from "../../src/paths/tee/evidence/nras/detached-eat.ts";
import { parseToken } from "../../src/paths/tee/evidence/nras/json-web-token.ts";
import { parseKeySet, parseTokenKey } from "../../src/paths/tee/evidence/nras/key-set.ts";
import { firmwareIdsOf } from "../../src/paths/tee/evidence/nvidia-gpu/firmware-id.ts";
import { parseOcspResponse } from "../../src/paths/tee/evidence/nvidia-gpu/ocsp-response.ts";
import { parseGpuReport } from "../../src/paths/tee/evidence/nvidia-gpu/spdm-report.ts";
import { encodeCanonicalXml } from "../../src/paths/tee/evidence/nvidia-rim/canonical-xml.ts";
import { parseRim, parseRimDocument } from "../../src/paths/tee/evidence/nvidia-rim/rim.ts";
import { parseXml } from "../../src/paths/tee/evidence/nvidia-rim/xml-document.ts";
import { parseCertificate } from "../../src/paths/tee/evidence/x509/certificate.ts";
import { issueChain, leafOf } from "../fixtures/evidence/device-chain.ts";
import { deviceClaims, encodeBundle, encodeToken, makeBundle } from "../fixtures/evidence/eat.ts";
import { createGpuWorld, type GpuWorld } from "../fixtures/evidence/gpu.ts";
import { cborMap, documentMembers, encodeCose, PCRS } from "../fixtures/evidence/nitro.ts";
import { keys, signer } from "../fixtures/evidence/nras.ts";
import { AT } from "../fixtures/evidence/question.ts";
import type { Subject } from "./fuzz-target.ts";
import { parsing } from "./verify-parsers.ts";

function gpuSubjects(world: GpuWorld): readonly Subject[] {
  const rims = [world.driverRim, world.vbiosRim];
  return [
    parsing("gpu report", [world.report], parseGpuReport),
    parsing("xml", rims, (bytes) => {
      const form = encodeCanonicalXml(parseXml(bytes), null);
      if (encodeHex(encodeCanonicalXml(parseXml(form), null)) !== encodeHex(form)) {
        throw new Error("the canonical form is not stable");
      }
    }),
    parsing("rim", rims, (bytes) => parseRim(parseRimDocument(bytes).root)),
    parsing("ocsp response", world.ocsp, parseOcspResponse),
    parsing(
      "firmware id",
      world.device.map(({ der }) => der),
      (bytes) => firmwareIdsOf(parseCertificate(bytes)),
    ),
  ];
}

function serviceSubjects(): readonly Subject[] {
  const eat = encodeBundle(makeBundle(signer));
  const set = utf8(JSON.stringify(keys));
  const token = utf8(encodeToken(signer, deviceClaims("1")));
  return [
    parsing("detached eat", [eat], (bytes) => parseDetachedEat(parseJson(bytes))),
    parsing("token", [token], (bytes) => parseToken(parseUtf8(bytes))),
    parsing("key set", [set], (bytes) => [...parseKeySet(parseJson(bytes)).values()].map(parseTokenKey)),
  ];
}

function enclaveSubjects(): readonly Subject[] {
  const chain = issueChain(["TEST enclave", "TEST zone", "TEST root"]);
  const members = documentMembers(chain, AT * 1000);
  const document = encodeCose(cborMap(members), leafOf(chain), { tag: true });
  return [
    parsing("cbor", [cborMap(members), PCRS, encodeCborBytes(document)], parseCbor),
    parsing("nitro document", [document], parseNitroDocument),
  ];
}

/** A subject for every reader of GPU reports, RIMs, OCSP answers, tokens and Nitro documents. */
export function deviceParserSubjects(): readonly Subject[] {
  return [...gpuSubjects(createGpuWorld()), ...serviceSubjects(), ...enclaveSubjects()];
}
