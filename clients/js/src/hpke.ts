/** HPKE in base mode, single shot, no aad: what belongs to the context is in `info`. A sealed text is enc ‖ ciphertext. */
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";

import { type Bytes, concat, own } from "./bytes.ts";
import { SUITE_X25519, SUITE_X_WING } from "./constants.ts";
import { ProtocolError } from "./errors.ts";

const suites = new Map([
  [SUITE_X_WING, new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Aes256Gcm() })],
  [SUITE_X25519, new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() })],
]);

/** Seal to a raw public key: 1 216 bytes for X-Wing, 32 for X25519. */
export async function seal(
  suite: number,
  publicKey: Uint8Array,
  plain: Uint8Array,
  info: Uint8Array,
): Promise<Bytes> {
  const chosen = suiteOf(suite);
  const recipientPublicKey = await chosen.kem.deserializePublicKey(own(publicKey).buffer);
  const sealed = await chosen.seal({ recipientPublicKey, info: own(info).buffer }, own(plain).buffer);
  return concat(new Uint8Array(sealed.enc), new Uint8Array(sealed.ct));
}

/** Open what was sealed to the public key of a seed (32); throws `undecryptable`. */
export async function open(suite: number, seed: Uint8Array, sealed: Uint8Array, info: Uint8Array): Promise<Bytes> {
  const chosen = suiteOf(suite);
  try {
    const recipientKey = await chosen.kem.deserializePrivateKey(own(seed).buffer);
    const enc = own(sealed.subarray(0, chosen.kem.encSize)).buffer;
    const ciphertext = own(sealed.subarray(chosen.kem.encSize)).buffer;
    return new Uint8Array(await chosen.open({ recipientKey, enc, info: own(info).buffer }, ciphertext));
  } catch {
    throw new ProtocolError("undecryptable", "sealed to another key or context, or altered");
  }
}

/** Return the raw public key of a new X25519 seed (32). */
export async function x25519PublicKey(seed: Uint8Array): Promise<Bytes> {
  const pkcs8 = concat(PKCS8_X25519, seed);
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, "X25519", true, ["deriveBits"]);
  const { x } = await crypto.subtle.exportKey("jwk", key);
  return Uint8Array.from(atob((x ?? "").replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
}

/** Return the raw public key (1 216: ML-KEM ‖ X25519) of an X-Wing seed (32). */
export async function xWingPublicKey(seed: Uint8Array): Promise<Bytes> {
  const { kem } = suiteOf(SUITE_X_WING);
  const pair = await new XWing().generateKeyPairDerand(own(seed));
  return new Uint8Array(await kem.serializePublicKey(pair.publicKey));
}

const PKCS8_X25519 = Uint8Array.from([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20]);

function suiteOf(suite: number): CipherSuite {
  const found = suites.get(suite);
  if (found === undefined) throw new ProtocolError("unknown-suite", `suite ${suite}`);
  return found;
}
