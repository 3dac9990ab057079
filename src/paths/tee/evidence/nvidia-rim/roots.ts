import { pinnedRoots } from "../appraisal/vendor-root.ts";

/** NVIDIA CoRIM signing Root CA, under which reference manifests are signed. It is `verifier_RIM_root.pem` of NVIDIA's local
 * GPU verifier (repository NVIDIA/nvtrust), `rim_root.crt` of NVIDIA/attestation-sdk, and the last certificate inside the RIMs. */
export const rimRoots = pinnedRoots([
  {
    fingerprint: "12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1",
    der:
      "MIICKTCCAbCgAwIBAgIQRdrjoA5QN73fh1N17LXicDAKBggqhkjOPQQDAzBFMQswCQYDVQQGEwJVUzEPMA0GA1UECgwGTlZJRElBMSUwIwYDVQ" +
      "QDDBxOVklESUEgQ29SSU0gc2lnbmluZyBSb290IENBMCAXDTIzMDMxNjE1MzczNFoYDzIwNTMwMzA4MTUzNzM0WjBFMQswCQYDVQQGEwJVUzEP" +
      "MA0GA1UECgwGTlZJRElBMSUwIwYDVQQDDBxOVklESUEgQ29SSU0gc2lnbmluZyBSb290IENBMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEuECyi9" +
      "vNM+Iw2lfUzyBldHAwaC1HF7TCgp12QcEyUTm3Tagxwr48d55+K2VIlWYIDk7NlAIQdcV/Ff7euGLI+Qauj93HsSI4WX298PpW54RTgz9tC+Q6" +
      "84caR/BXWEeZo2MwYTAdBgNVHQ4EFgQUpaXrOPK4ZDAk08DBskn594zeZjAwHwYDVR0jBBgwFoAUpaXrOPK4ZDAk08DBskn594zeZjAwDwYDVR" +
      "0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwCgYIKoZIzj0EAwMDZwAwZAIwHGDyscDP6ihHqRvZlI3eqZ4YkvjE1duaN84tAHRVgxVMvNrp" +
      "5Tnom3idHYGW/dskAjATvjIx6VzHm/4e2GiZAyZEIUBDOKPzp5ei/A0iUZpdvngenDwV8Qa/wGdiTmJ7Bp4=",
  },
]);
