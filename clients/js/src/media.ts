/** A medium: one Cobblestone stream under its own random key, named and keyed in a manifest. */
import { type Bytes, equal, fromHex, hex, random, utf8 } from "./bytes.ts";
import * as cobblestone from "./cobblestone.ts";
import { LABEL_MEDIUM } from "./constants.ts";
import { ProtocolError } from "./errors.ts";
import type { Medium } from "./plaintext.ts";
import { sha256 } from "./primitives.ts";

export interface SealedMedium {
  readonly medium: Medium;
  readonly stream: Bytes;
}

/** Seal a file under a new key; the stream is what travels, the medium what the manifest says of it. */
export async function sealMedium(plain: Uint8Array, name: string, type: string): Promise<SealedMedium> {
  const key = random(32);
  const stream = await cobblestone.seal(key, utf8(LABEL_MEDIUM), plain);
  const medium = { name, type, bytes: stream.length, sha256: hex(await sha256(stream)), key: hex(key) };
  return { medium, stream };
}

/** Open a stream; throws `medium-altered` when it is not the one that is named, then `undecryptable`. */
export async function openMedium(stream: Uint8Array, sha256Hex: string, key: Uint8Array): Promise<Bytes> {
  if (!equal(await sha256(stream), fromHex(sha256Hex))) throw new ProtocolError("medium-altered", "not what is named");
  return cobblestone.open(key, utf8(LABEL_MEDIUM), stream);
}
