#!/usr/bin/env python3
"""Computes known-answers.json with the standard library alone: an implementation that shares no code with Triseal."""
import base64
import hashlib
import json
import pathlib
import sys

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def point_add(a, b):
    """Addition in extended coordinates (RFC 8032 section 5.1.4)."""
    A, B = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    C, E = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = B - A, E - C, E + C, B + A
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def point_mul(scalar, point):
    result = (0, 1, 1, 0)
    while scalar > 0:
        if scalar & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        scalar >>= 1
    return result


def base_point():
    y = 4 * pow(5, P - 2, P) % P
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P)
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P != 0:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x & 1:
        x = P - x
    return (x, y, 1, x * y % P)


G = base_point()


def compress(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | ((x & 1) << 255)).to_bytes(32, "little")


def expand(seed):
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | (1 << 254)
    return scalar, digest[32:]


def public_key(seed):
    return compress(point_mul(expand(seed)[0], G))


def sign(seed, message):
    scalar, prefix = expand(seed)
    public = compress(point_mul(scalar, G))
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
    R = compress(point_mul(r, G))
    k = int.from_bytes(hashlib.sha512(R + public + message).digest(), "little") % L
    return R + ((r + k * scalar) % L).to_bytes(32, "little")


def jcs(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


SEEDS = {name: bytes([byte]) * 32 for name, byte in (("gateway", 0x11), ("log", 0x12), ("policy", 0x13), ("leg", 0x14), ("platform", 0x15))}
PUBLIC = {name: public_key(seed).hex() for name, seed in SEEDS.items()}


def doc(name):
    """The digest of a document that is only named."""
    return digest(name.encode("ascii"))


def signed(domain, statement, seed):
    message = domain.encode("ascii") + b"\0" + jcs(statement)
    return {"message": message.hex(), "signature": sign(SEEDS[seed], message).hex()}


def answer(document, **more):
    data = jcs(document)
    return {"document": document, "jcs": data.decode("ascii"), "digest": digest(data), **more}


def known_answers():
    binding = {
        "v": 1,
        "requestDigest": doc("request"),
        "responseDigest": doc("response"),
        "modelDigest": doc("model"),
        "decisionDigest": doc("decision"),
        "nonce": "000102030405060708090a0b0c0d0e0f",
    }
    keyset = {
        "subject": None,
        "not_after": 1900000000,
        "receipt_signing_keys": [{"key_id": "gateway-1", "algo": "ed25519", "public_key": PUBLIC["gateway"]}],
        "e2ee_public_keys": [],
        "tls_public_keys": [],
    }
    keyset_digest = digest(jcs(keyset))
    nonce = bytes(range(32)).hex()
    report_data = {
        name: hashlib.sha256(jcs({"purpose": "aci.report_data.v1", "keyset_digest": keyset_digest, "nonce": value})).hexdigest()
        for name, value in (("challenged", nonce), ("unchallenged", None))
    }
    worker_keyset = {
        "v": 1,
        "subject": "worker-1",
        "notAfter": 1900000000,
        "legKeys": [{"keyId": "leg-1", "algo": "ed25519", "publicKey": PUBLIC["leg"]}],
        "sealKeys": [{"keyId": "seal-1", "algo": "hpke-x25519-sha256-aes256gcm", "publicKey": "16" * 32}],
    }
    files = [{"path": "enclave/worker/main.js", "digest": doc("main.js")}, {"path": "package.json", "digest": doc("package.json")}]
    worker_statement = {
        "purpose": "triseal.worker.v1",
        "keysetDigest": digest(jcs(worker_keyset)),
        "nonce": nonce,
        "workerDigest": digest(jcs(files)),
        "modelDigests": [doc("model")],
        "gpuEvidenceDigest": None,
    }
    worker_report_data = hashlib.sha256(jcs(worker_statement)).hexdigest() + "00" * 32
    simulated = {
        "v": 1,
        "type": "simulated",
        "reportData": worker_report_data,
        "measurement": worker_statement["workerDigest"],
        "platformKey": PUBLIC["platform"],
    }
    simulated_signed = signed("triseal.simulated.v1", simulated, "platform")
    evidence = jcs({**simulated, "signature": simulated_signed["signature"]})
    session = {
        "api_version": "aci/1",
        "upstream_name": "worker-1",
        "endpoint": None,
        "verifier_id": "triseal/1",
        "established_at": 1790000000,
        "expires_at": 1790000600,
        "channel_binding": [],
        "claims": {"tee_attested": {"status": "unknown"}},
        "evidence": {"digest": digest(evidence), "data": "data:application/json;base64," + base64.b64encode(evidence).decode("ascii")},
    }
    session_id = hashlib.sha256(jcs(session)).hexdigest()
    facts = {"classification": "personal", "value_usd": 250}
    leg_statement = {
        "binding": binding,
        "factsDigest": digest(jcs(facts)),
        "wire": {"requestDigest": doc("sealed request"), "responseDigest": doc("sealed response")},
        "inputCommitment": None,
        "outputs": None,
    }
    leg_signed = signed("triseal.leg.v1", leg_statement, "leg")
    leg = {"v": 1, "statement": leg_statement, "keyId": "leg-1", "signature": leg_signed["signature"]}
    policy_statement = {"v": 1, "policyDigest": doc("policy"), "sequence": 7, "notBefore": 1780000000, "notAfter": 1800000000}
    policy_signed = signed("triseal.policy.v1", policy_statement, "policy")
    policy = {"statement": policy_statement, "keyId": "policy-1", "publicKey": PUBLIC["policy"], "signature": policy_signed["signature"]}
    unsigned = {
        "api_version": "aci/1",
        "receipt_id": "rcpt-000102030405060708090a0b0c0d0e0f",
        "chat_id": None,
        "model": "risk",
        "workload_keyset_digest": keyset_digest,
        "endpoint": "/v2/models/risk/infer",
        "method": "POST",
        "served_at": 1790000100,
        "event_log": [
            {"type": "request.received", "body_hash": doc("sealed request")},
            {"type": "service.described", "report_digest": doc("report")},
            {
                "type": "policy.decided",
                "policy_digest": doc("policy"),
                "statement_digest": digest(jcs(policy)),
                "decision_digest": doc("decision"),
                "rule_ids": ["attested"],
                "effect": "allow",
            },
            {"type": "request.forwarded", "body_hash": doc("sealed request")},
            {"type": "upstream.verified", "result": "verified", "required": True, "model_id": "risk", "session_id": session_id},
            {
                "type": "leg.sealed",
                "path": "tee",
                "leg_digest": digest(jcs(leg)),
                "leg_media_type": "application/vnd.triseal.tee-leg+json",
                "evidence_digest": digest(evidence),
                "evidence_media_type": "application/json",
                "status": "final",
                "sealed_by": "caller",
            },
            {"type": "response.returned", "body_hash": doc("sealed response")},
        ],
        "key_id": "gateway-1",
    }
    receipt = {**unsigned, "signature": sign(SEEDS["gateway"], jcs(unsigned)).hex()}
    salt = bytes(range(32))
    leaf = {
        "v": 1,
        "kind": "receipt",
        "commitment": hashlib.sha256(b"triseal.leaf.v1\0" + salt + hashlib.sha256(jcs(receipt)).digest()).hexdigest(),
    }
    leaf_hash = hashlib.sha256(b"\0" + jcs(leaf)).digest()
    origin = "log.example/known-answers"
    text = f"{origin}\n1\n{base64.b64encode(leaf_hash).decode('ascii')}\n"
    key_id = hashlib.sha256(f"{origin}\n\x01".encode("ascii") + bytes.fromhex(PUBLIC["log"])).digest()[:4]
    line = base64.b64encode(key_id + sign(SEEDS["log"], text.encode("ascii"))).decode("ascii")
    return {
        "v": 1,
        "keys": {name: {"seed": SEEDS[name].hex(), "publicKey": PUBLIC[name]} for name in SEEDS},
        "binding": answer(binding),
        "facts": answer(facts),
        "keyset": answer(keyset, nonce=nonce, reportData=report_data),
        "workerKeyset": answer(worker_keyset),
        "workerFiles": answer(files),
        "workerStatement": answer(worker_statement, reportData=worker_report_data),
        "simulatedEvidence": answer(json.loads(evidence), **simulated_signed),
        "session": answer(session, id=session_id),
        "leg": answer(leg, **leg_signed),
        "policyStatement": answer(policy, **policy_signed),
        "receipt": answer(receipt, signingInput=jcs(unsigned).decode("ascii")),
        "leaf": answer(leaf, salt=salt.hex(), leafHash=leaf_hash.hex()),
        "checkpoint": {"origin": origin, "note": f"{text}\n\u2014 {origin} {line}\n"},
    }


def main():
    text = json.dumps(known_answers(), indent=2, ensure_ascii=False) + "\n"
    if "--check" not in sys.argv:
        sys.stdout.write(text)
        return 0
    stored = pathlib.Path(__file__).with_name("known-answers.json").read_text(encoding="utf-8")
    same = json.loads(stored) == json.loads(text)
    print("known-answers.json is what the script computes" if same else "known-answers.json differs")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
